// A small player in C++17 with sd-bus (Debian: g++, libsystemd-dev), through either door.
//
// usage: player [--bus system|session|ADDRESS] method|signal MEDIA_ID
//
// It plays a few seconds of a film of ten minutes: a pause, a seek, an ad break, and the viewer
// leaves. Started again, it goes on where it was. `session` takes the bus that
// DBUS_SESSION_BUS_ADDRESS names.
//
// The rule above all others: the film is played whatever the agent says. Reporting may fail; then
// the exit status is 2 (1: usage, or no bus).

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <systemd/sd-bus.h>
#include <thread>
#include <utility>
#include <variant>

namespace {

using Texts = std::map<std::string, std::string>;
using Value = std::variant<std::string, std::int32_t, double, Texts>;
using Info = std::map<std::string, Value>;  // the keys of docs/behaviour.md 1.1 and 1.2

constexpr char agent[] = "tv.playhead.Agent1";
constexpr char agent_path[] = "/tv/playhead/Agent1";
constexpr char session_interface[] = "tv.playhead.Session1";
constexpr char player_interface[] = "tv.playhead.Player1";
// Resume points are kept by (app, media id): choose a name once and never change it.
constexpr char app[] = "tv.example.player";
// Signals come from an object path of ours. A process with several players gives each its own.
constexpr char our_path[] = "/tv/example/player";
constexpr double film_length = 600;
// A synced write on a busy flash can take seconds; longer than this nobody waits.
constexpr std::uint64_t patience_us = 5'000'000;

struct Unref {
    void operator()(sd_bus *bus) const { sd_bus_flush_close_unref(bus); }  // flushed, then closed
    void operator()(sd_bus_message *message) const { sd_bus_message_unref(message); }
    void operator()(sd_bus_slot *slot) const { sd_bus_slot_unref(slot); }
};
using Bus = std::unique_ptr<sd_bus, Unref>;
using Message = std::unique_ptr<sd_bus_message, Unref>;
using Slot = std::unique_ptr<sd_bus_slot, Unref>;

// A call that failed, by its name on the bus.
struct Refused : std::runtime_error {
    Refused(const std::string &error, const std::string &why)
        : std::runtime_error(error + ": " + why), name(error) {}
    std::string name;
};

// Negative results of sd-bus become exceptions.
int check(int result) {
    if (result < 0)
        throw Refused("system error", std::strerror(-result));
    return result;
}

enum class Verdict { go_on, say_again, open_anew, give_up };

// What a refusal means for the player.
Verdict judge(const std::string &error) {
    static const std::map<std::string, Verdict> table = {
        // Illegal now; nothing was changed, and the message says what is missing.
        {"tv.playhead.Error.NotAllowed", Verdict::go_on},
        // A key has the wrong type, or a number is not finite: a mistake of ours.
        {"tv.playhead.Error.InvalidArgs", Verdict::go_on},
        // It was done, but the box's disk is full: it may not survive a power cut.
        {"tv.playhead.Error.Storage", Verdict::go_on},
        // More events or sessions than a player may have. Slow down; never repeat in a loop.
        {"tv.playhead.Error.LimitsExceeded", Verdict::say_again},
        // The session has ended behind our back: the next Play opens another.
        {"tv.playhead.Error.NoSession", Verdict::open_anew},
        {SD_BUS_ERROR_UNKNOWN_OBJECT, Verdict::open_anew},
        // Too late to matter. Not said again: it may have been heard.
        {SD_BUS_ERROR_NO_REPLY, Verdict::go_on},
        {SD_BUS_ERROR_TIMEOUT, Verdict::go_on},
        // The rest: AccessDenied (another connection opened the session, or we are not in group
        // playhead), or there is no agent (ServiceUnknown). No use trying.
    };
    const auto found = table.find(error);
    return found == table.end() ? Verdict::give_up : found->second;
}

void append_value(sd_bus_message *m, const Value &value) {
    if (const auto *text = std::get_if<std::string>(&value)) {
        check(sd_bus_message_append(m, "v", "s", text->c_str()));
    } else if (const auto *whole = std::get_if<std::int32_t>(&value)) {
        check(sd_bus_message_append(m, "v", "i", *whole));
    } else if (const auto *number = std::get_if<double>(&value)) {
        check(sd_bus_message_append(m, "v", "d", *number));
    } else {
        check(sd_bus_message_open_container(m, 'v', "a{ss}"));
        check(sd_bus_message_open_container(m, 'a', "{ss}"));
        for (const auto &[name, words] : std::get<Texts>(value))
            check(sd_bus_message_append(m, "{ss}", name.c_str(), words.c_str()));
        check(sd_bus_message_close_container(m));
        check(sd_bus_message_close_container(m));
    }
}

// The shape of every event at either door: (d playhead, a{sv} info).
void append_event(sd_bus_message *m, double playhead, const Info &info) {
    check(sd_bus_message_append(m, "d", playhead));
    check(sd_bus_message_open_container(m, 'a', "{sv}"));
    for (const auto &[key, value] : info) {
        check(sd_bus_message_open_container(m, 'e', "sv"));
        check(sd_bus_message_append(m, "s", key.c_str()));
        append_value(m, value);
        check(sd_bus_message_close_container(m));
    }
    check(sd_bus_message_close_container(m));
}

Message new_call(sd_bus *bus, const char *path, const char *interface, const char *method) {
    sd_bus_message *m = nullptr;
    check(sd_bus_message_new_method_call(bus, &m, agent, path, interface, method));
    return Message(m);
}

// Answers when the agent has made the event safe from its own death. A player with a picture to
// show calls with sd_bus_call_async.
Message call(sd_bus *bus, const Message &m) {
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = nullptr;
    if (sd_bus_call(bus, m.get(), patience_us, &error, &reply) < 0) {
        // sd-bus sets the error in every case, also for a connection that is gone.
        const Refused refused(error.name, error.message ? error.message : "");
        sd_bus_error_free(&error);
        throw refused;
    }
    return Message(reply);
}

// How events reach the agent. Both doors take the same words.
class Door {
public:
    explicit Door(sd_bus *connection) : bus(connection) {}
    virtual void open(double playhead, const Info &media) = 0;
    virtual void say(const char *event, double playhead, const Info &info) = 0;
    virtual void forget() {}  // the session is gone
    virtual bool is_open() const = 0;

protected:
    ~Door() = default;
    sd_bus *bus;
};

// Calls: each is answered, and only the connection that opened the session may make them.
class MethodDoor final : public Door {
public:
    using Door::Door;
    void open(double playhead, const Info &media) override {
        const Message m = new_call(bus, agent_path, agent, "OpenSession");
        append_event(m.get(), playhead, media);
        const Message reply = call(bus, m);
        const char *path = nullptr;
        check(sd_bus_message_read(reply.get(), "o", &path));
        session = path;
        sd_bus_slot *slot = nullptr;
        check(sd_bus_match_signal(bus, &slot, agent, path, session_interface, "Closed", closed,
                                  this));
        subscription.reset(slot);
    }
    void say(const char *event, double playhead, const Info &info) override {
        const Message m = new_call(bus, session.c_str(), session_interface, event);
        append_event(m.get(), playhead, info);
        call(bus, m);
    }
    void forget() override {
        subscription.reset();
        session.clear();
    }
    bool is_open() const override { return !session.empty(); }

private:
    static int closed(sd_bus_message *m, void *self, sd_bus_error *) {
        const char *reason = "";
        sd_bus_message_read(m, "s", &reason);
        std::cerr << "the session has closed: " << reason << '\n';
        // After these two the object stays, and Play revives it.
        if (std::strcmp(reason, "idle") != 0 && std::strcmp(reason, "background") != 0)
            static_cast<MethodDoor *>(self)->forget();
        return 0;
    }

    std::string session;
    Slot subscription;
};

// Signals: sent and forgotten. Whether one was taken stands in the agent's property
// RejectedEvents and in its log.
class SignalDoor final : public Door {
public:
    using Door::Door;
    void open(double playhead, const Info &media) override {
        say("SessionStart", playhead, media);
        opened = true;
    }
    void say(const char *event, double playhead, const Info &info) override {
        sd_bus_message *raw = nullptr;
        check(sd_bus_message_new_signal(bus, &raw, our_path, player_interface, event));
        const Message m(raw);
        append_event(raw, playhead, info);
        check(sd_bus_send(bus, raw, nullptr));
    }
    bool is_open() const override { return opened; }

private:
    bool opened = false;
};

class Player {
public:
    Player(sd_bus *connection, Door &way, std::string media)
        : bus(connection), door(way), id(std::move(media)) {}

    // Why first: only the agent knows where the viewer was, after a crash or a power cut too, and
    // the decoder has to be sent there before it shows a picture.
    void ask_where() {
        try {
            const Message m = new_call(bus, agent_path, agent, "GetResumePoint");
            check(sd_bus_message_append(m.get(), "ss", app, id.c_str()));
            const Message reply = call(bus, m);
            int completed = 0;
            check(sd_bus_message_enter_container(reply.get(), 'a', "{sv}"));
            while (check(sd_bus_message_enter_container(reply.get(), 'e', "sv")) > 0) {
                const char *key = nullptr;
                check(sd_bus_message_read(reply.get(), "s", &key));
                if (std::strcmp(key, "position") == 0)
                    check(sd_bus_message_read(reply.get(), "v", "d", &position));
                else if (std::strcmp(key, "completed") == 0)
                    check(sd_bus_message_read(reply.get(), "v", "b", &completed));
                else
                    check(sd_bus_message_skip(reply.get(), "v"));
                check(sd_bus_message_exit_container(reply.get()));
            }
            if (completed)
                position = 0;  // seen to the end: a new viewing begins at the beginning
        } catch (const Refused &error) {
            complain("GetResumePoint", error);
        }
    }

    void film() {
        play();
        watch(std::chrono::seconds(1));
        position += 1;

        // A pause is Pause and Play. Ending the session and starting another would be two viewings.
        say("Pause");
        play();

        // A seek has two ends: where the viewer left, and where the picture is again. Without the
        // second the agent takes the player for seeking, and the position stands still.
        say("SeekStart");
        position += 30;
        say("SeekComplete");
        watch(std::chrono::seconds(1));
        position += 1;

        // An ad lies in a break, even if it is alone. The film's position stands still meanwhile.
        say("AdBreakStart", {{"name", "mid-roll"}, {"position", 1}, {"start", position}});
        say("AdStart", {{"id", "ad-7"}, {"name", "Soap"}, {"position", 1}, {"length", 1.0},
                        {"metadata", Texts{{"media.ad.advertiser", "Example"}}}});
        watch(std::chrono::seconds(1));
        say("AdComplete");
        say("AdBreakComplete");
        watch(std::chrono::seconds(1));
        position += 1;

        // The viewer leaves: End. When the film has run out it is Complete; one of them always.
        say(position < film_length ? "End" : "Complete");
    }

    double where() const { return position; }
    bool all_reported() const { return !lost; }

private:
    void play() {
        if (reporting && !door.is_open())
            open();
        say("Play");
    }

    void open() {
        try {
            // Lengths and positions are seconds, not milliseconds.
            const Texts metadata = {{"media.genre", "drama"}};
            door.open(position, {{"id", id}, {"app", app}, {"name", "Harbour Lights"},
                                 {"length", film_length}, {"metadata", metadata}});
        } catch (const Refused &error) {
            // Without a session nothing can be said. LimitsExceeded too: all places are taken.
            if (complain("OpenSession", error) != Verdict::go_on)
                reporting = false;
        }
    }

    void say(const char *event, const Info &info = {}) {
        for (int attempt = 0; attempt < 2 && reporting && door.is_open(); ++attempt) {
            try {
                door.say(event, position, info);
                return;
            } catch (const Refused &error) {
                if (complain(event, error) != Verdict::say_again)
                    return;
                watch(std::chrono::seconds(1));
            }
        }
    }

    Verdict complain(const char *what, const Refused &error) {
        const Verdict verdict = judge(error.name);
        std::cerr << what << ": " << error.what() << '\n';
        lost = true;
        if (verdict == Verdict::open_anew)
            door.forget();
        if (verdict == Verdict::give_up)
            reporting = false;
        return verdict;
    }

    // The content plays; meanwhile the bus is served, so that `Closed` is heard.
    void watch(std::chrono::microseconds time) {
        using Clock = std::chrono::steady_clock;
        const auto end = Clock::now() + time;
        for (auto now = Clock::now(); now < end; now = Clock::now()) {
            const std::chrono::duration<double, std::micro> left = end - now;
            const int worked = sd_bus_process(bus, nullptr);
            if (worked == 0 && sd_bus_wait(bus, static_cast<std::uint64_t>(left.count()) + 1) >= 0)
                continue;
            if (worked <= 0)
                std::this_thread::sleep_until(end);  // the bus has gone away; the film has not
        }
    }

    sd_bus *bus;
    Door &door;
    std::string id;
    double position = 0;  // in the film; ads do not count
    bool reporting = true;
    bool lost = false;
};

Bus connect(const std::string &which) {
    sd_bus *raw = nullptr;
    if (which == "system" || which == "session") {
        check(which == "system" ? sd_bus_open_system(&raw) : sd_bus_open_user(&raw));
        return Bus(raw);
    }
    check(sd_bus_new(&raw));
    Bus bus(raw);
    check(sd_bus_set_address(raw, which.c_str()));
    check(sd_bus_set_bus_client(raw, true));
    check(sd_bus_start(raw));
    return bus;
}

}  // namespace

int main(int argc, char **argv) {
    std::string which = "system";
    if (argc > 2 && std::strcmp(argv[1], "--bus") == 0) {
        which = argv[2];
        argv += 2;
        argc -= 2;
    }
    const std::string way = argc == 3 ? argv[1] : "";
    if (way != "method" && way != "signal") {
        std::cerr << "usage: player [--bus system|session|ADDRESS] method|signal MEDIA_ID\n";
        return 1;
    }
    try {
        const Bus bus = connect(which);
        MethodDoor methods(bus.get());
        SignalDoor signals(bus.get());
        Player player(bus.get(), way == "signal" ? static_cast<Door &>(signals) : methods, argv[2]);
        player.ask_where();
        const double start = player.where();
        player.film();
        const char *rest = player.all_reported() ? "" : ", not all of it reported";
        std::printf("played %s from %.1f to %.1f%s\n", argv[2], start, player.where(), rest);
        return player.all_reported() ? 0 : 2;
    } catch (const Refused &error) {
        std::cerr << "the bus cannot be reached: " << error.what() << '\n';
        return 1;
    }
}
