// A player with what sdbus-c++-xml2cpp makes: a session by method, then another by signal.
#include <cstdio>
#include <sdbus-c++/sdbus-c++.h>

#include "agent-proxy.h"
#include "player-adaptor.h"
#include "session-proxy.h"

namespace {

using Info = std::map<std::string, sdbus::Variant>;

class Agent final : public sdbus::ProxyInterfaces<tv::playhead::Agent1_proxy> {
public:
    explicit Agent(sdbus::IConnection &bus)
        : ProxyInterfaces(bus, "tv.playhead.Agent1", "/tv/playhead/Agent1") {
        registerProxy();
    }
    ~Agent() { unregisterProxy(); }
};

class Session final : public sdbus::ProxyInterfaces<tv::playhead::Session1_proxy> {
public:
    Session(sdbus::IConnection &bus, const std::string &path)
        : ProxyInterfaces(bus, "tv.playhead.Agent1", path) {
        registerProxy();
    }
    ~Session() { unregisterProxy(); }

private:
    void onClosed(const std::string &) override {}
};

class Player final : public sdbus::AdaptorInterfaces<tv::playhead::Player1_adaptor> {
public:
    explicit Player(sdbus::IConnection &bus) : AdaptorInterfaces(bus, "/tv/example/player") {
        registerAdaptor();
    }
    ~Player() { unregisterAdaptor(); }
};

Info film(const char *id) {
    return {{"id", sdbus::Variant(std::string(id))},
            {"app", sdbus::Variant(std::string("tv.example.generated"))},
            {"length", sdbus::Variant(600.0)}};
}

}  // namespace

int main() {
    const auto bus = sdbus::createSystemBusConnection();
    Agent agent(*bus);
    std::printf("version %s\n", agent.Version().c_str());
    Session session(*bus, agent.OpenSession(0, film("sdbus-method")));
    session.Play(0, {});
    std::printf("media %s\n", session.MediaId().c_str());
    try {
        session.AdComplete(1, {});
    } catch (const sdbus::Error &error) {
        std::printf("refused %s\n", error.getName().c_str());
    }
    session.End(5, {});
    const Info point = agent.GetResumePoint("tv.example.generated", "sdbus-method");
    std::printf("point %.1f\n", point.at("position").get<double>());

    Player player(*bus);
    player.emitSessionStart(0, film("sdbus-signal"));
    player.emitPlay(0, {});
    player.emitEnd(7, {});
    // A call that is answered: what was sent before has left.
    agent.Version();
    return 0;
}
