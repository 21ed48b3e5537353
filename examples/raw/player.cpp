// A small player in C++17 with sd-bus (Debian: g++, libsystemd-dev), through either door.
//
// usage: player [--bus system|session|ADDRESS] [--step] method|signal MEDIA_ID
//
// It plays a few seconds of a film of ten minutes: a pause, a seek, an ad break, and the viewer
// leaves. Started again, it goes on where it was. `session` takes the bus that
// DBUS_SESSION_BUS_ADDRESS names. With --step each piece of the film lasts until a line comes on
// standard input.
//
// The rule above all others: the film is played whatever becomes of the agent. It may be stopped,
// replaced, or not there yet; when it is there it is told what is played at that moment. The exit
// status is 2 only if the agent refused something as wrong (1: usage).

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <systemd/sd-bus.h>
#include <unistd.h>
#include <utility>
#include <variant>

namespace {

using Texts = std::map<std::string, std::string>;
using Value = std::variant<std::string, std::int32_t, double, bool, Texts>;
using Info = std::map<std::string, Value>;  // the keys of docs/behaviour.md 1.1 and 1.2

// Always the well-known name: behind it is another connection after each restart of the agent.
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

enum class Verdict { done, wrong, say_again, open_anew, later, give_up };

// What an error means for the player.
Verdict meaning_of(const std::string &error) {
    static const std::map<std::string, Verdict> table = {
        // It was done, but the box's disk is full: it may not survive a power cut.
        {"tv.playhead.Error.Storage", Verdict::done},
        // Illegal now; nothing was changed, and the message says what is missing.
        {"tv.playhead.Error.NotAllowed", Verdict::wrong},
        // A key has the wrong type, or a number is not finite: a mistake of ours.
        {"tv.playhead.Error.InvalidArgs", Verdict::wrong},
        // More events or sessions than a player may have. Slow down; never repeat in a loop.
        {"tv.playhead.Error.LimitsExceeded", Verdict::say_again},
        // The session has ended behind our back, or the agent has lost its store.
        {"tv.playhead.Error.NoSession", Verdict::open_anew},
        {SD_BUS_ERROR_UNKNOWN_OBJECT, Verdict::open_anew},
        // The session is another connection's: the agent has lost its store and counts anew.
        {"tv.playhead.Error.AccessDenied", Verdict::open_anew},
        // The bus does not let us: we are not in group playhead. No use trying.
        {SD_BUS_ERROR_ACCESS_DENIED, Verdict::give_up},
    };
    // There is no agent (ServiceUnknown), it died or is slow (NoReply, Timeout), it has no
    // configuration (NotConfigured), the bus is gone (Disconnected): when it is back, or with the
    // next event, it is told what is played then.
    const auto found = table.find(error);
    return found == table.end() ? Verdict::later : found->second;
}

void append_value(sd_bus_message *m, const Value &value) {
    if (const auto *text = std::get_if<std::string>(&value)) {
        check(sd_bus_message_append(m, "v", "s", text->c_str()));
    } else if (const auto *whole = std::get_if<std::int32_t>(&value)) {
        check(sd_bus_message_append(m, "v", "i", *whole));
    } else if (const auto *number = std::get_if<double>(&value)) {
        check(sd_bus_message_append(m, "v", "d", *number));
    } else if (const auto *flag = std::get_if<bool>(&value)) {
        check(sd_bus_message_append(m, "v", "b", *flag));
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
// show calls with sd_bus_call_async, or away from the thread that draws.
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
    // The agent was started again.
    virtual void other_agent() = 0;
    // Whether a session that was opened has just begun for certain.
    virtual bool begins_anew() const = 0;
    // The session is the object at `path`.
    virtual void take(const std::string &path) { session = path; }
    virtual void forget() { session.clear(); }
    bool is_open() const { return !session.empty(); }
    const std::string &name() const { return session; }

protected:
    ~Door() = default;
    sd_bus *bus;
    std::string session;
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
        take(path);
    }
    void say(const char *event, double playhead, const Info &info) override {
        const Message m = new_call(bus, session.c_str(), session_interface, event);
        append_event(m.get(), playhead, info);
        call(bus, m);
    }
    // It has kept the session and its object.
    void other_agent() override {}
    bool begins_anew() const override { return true; }
    void take(const std::string &path) override {
        Door::take(path);
        sd_bus_slot *slot = nullptr;
        sd_bus_match_signal(bus, &slot, agent, path.c_str(), session_interface, "Closed", closed,
                            this);
        subscription.reset(slot);
    }
    void forget() override {
        subscription.reset();
        Door::forget();
    }

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

    Slot subscription;
};

// Signals: sent and forgotten. Whether one was taken stands in the agent's property
// RejectedEvents and in its log.
class SignalDoor final : public Door {
public:
    using Door::Door;
    void open(double playhead, const Info &media) override {
        say("SessionStart", playhead, media);
        take(our_path);
    }
    void say(const char *event, double playhead, const Info &info) override {
        sd_bus_message *raw = nullptr;
        check(sd_bus_message_new_signal(bus, &raw, our_path, player_interface, event));
        const Message m(raw);
        append_event(raw, playhead, info);
        check(sd_bus_send(bus, raw, nullptr));
    }
    // Nobody tells us whether it has kept the session. If so, a second start is refused, which
    // changes nothing.
    void other_agent() override { forget(); }
    bool begins_anew() const override { return false; }
};

class Player {
public:
    Player(sd_bus *connection, Door &way, std::string media, bool by_steps)
        : bus(connection), door(way), id(std::move(media)), step(by_steps) {}

    // Why first: only the agent knows where the viewer was, after a crash or a power cut too, and
    // the decoder has to be sent there before it shows a picture. This call also has the bus start
    // the agent where it can.
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
            judge("GetResumePoint", error);
        }
    }

    // From now on we hear when it goes and comes.
    void look_for_the_agent() {
        static constexpr char bus_name[] = "org.freedesktop.DBus";
        const std::string rule =
            std::string("type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                        "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='")
            + agent + "'";
        sd_bus_slot *slot = nullptr;
        check(sd_bus_add_match(bus, &slot, rule.c_str(), owner_changed, this));
        changes.reset(slot);
        sd_bus_message *raw = nullptr;
        if (sd_bus_call_method(bus, bus_name, "/org/freedesktop/DBus", bus_name, "GetNameOwner",
                               nullptr, &raw, "s", agent) >= 0) {
            const Message reply(raw);
            const char *name = "";
            check(sd_bus_message_read(raw, "s", &name));
            owner = name;
        }
    }

    void film() {
        say("Play");
        watch(std::chrono::seconds(1));
        position += 1;

        // A pause is Pause and Play. Ending the session and starting another would be two viewings.
        say("Pause");
        say("Play");

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
    bool all_reported() const { return !lost && !wrong; }
    bool refused() const { return wrong; }

private:
    static int owner_changed(sd_bus_message *m, void *player, sd_bus_error *) {
        auto *self = static_cast<Player *>(player);
        const char *name = "", *before = "", *after = "";
        if (sd_bus_message_read(m, "sss", &name, &before, &after) >= 0 && self->owner != after) {
            self->owner = after;
            self->changed = true;  // not here: no calls within a callback
        }
        return 0;
    }

    void agent_changed() {
        if (owner.empty()) {
            std::cerr << "the agent is away; the film goes on\n";
            return;
        }
        door.other_agent();
        if (!motion || !reporting)
            return;
        catch_up();
        std::cerr << "the agent is there and "
                  << (behind ? "does not take it" : "knows " + door.name()) << '\n';
    }

    bool open() {
        // Lengths and positions are seconds, not milliseconds. `resume`: the viewing goes on in a
        // session of another number.
        const Info media = {{"id", id}, {"app", app}, {"name", "Harbour Lights"},
                            {"length", film_length}, {"resume", opened},
                            {"metadata", Texts{{"media.genre", "drama"}}}};
        try {
            door.open(position, media);
            // A session that has just begun knows of no ad. By signal it may be the one of before:
            // what has ended meanwhile has to be said, and what goes on is said again.
            told_break = !door.begins_anew() && told_break && !ad_break;
            told_ad = !door.begins_anew() && told_ad && !ad;
        } catch (const Refused &error) {
            // An earlier answer was lost and the session is open, or the disk is full and the
            // session is open all the same.
            const std::string words = error.what(), mark = "as session ";
            const auto found = words.find(mark);
            if (found == std::string::npos) {
                // LimitsExceeded too: all places are taken. With the next event it is tried again.
                judge("OpenSession", error);
                lost = true;
                return false;
            }
            const auto number = std::atoi(words.c_str() + found + mark.size());
            door.take(agent_path + ("/session/" + std::to_string(number)));
        }
        opened = true;
        return true;
    }

    // Tells the agent what is played now, in a session that is opened if need be.
    void catch_up() {
        behind = true;
        for (int attempt = 0; attempt < 2; ++attempt) {
            if (!door.is_open() && !open())
                return;
            if (tell_all()) {
                behind = false;
                return;
            }
            if (door.is_open())
                return;  // it is away again
        }
    }

    // Says what is played now to an agent that may know some of it.
    bool tell_all() {
        if (told_break && !ad_break && !tell("AdBreakComplete", {}, true))
            return false;
        if (told_ad && !ad && !tell("AdComplete", {}, true))
            return false;
        if (ad_break && !told_break && !tell("AdBreakStart", *ad_break, true))
            return false;
        if (ad && !told_ad && !tell("AdStart", *ad, true))
            return false;
        // Between two ads the playback state cannot change.
        return (ad_break && !ad) || tell(motion, {}, true);
    }

    // Something happens at the present position.
    void say(const std::string &event, const Info &info = {}) {
        const bool last = event == "End" || event == "Complete";
        if (event == "Play" || event == "SeekComplete")
            motion = "Play";
        else if (event == "Pause")
            motion = "Pause";
        else if (event == "SeekStart")
            motion = "SeekStart";
        else if (event == "AdBreakStart")
            ad_break = info;
        else if (event == "AdStart")
            ad = info;
        else if (event == "AdComplete")
            ad.reset();
        else if (event == "AdBreakComplete")
            ad_break.reset(), ad.reset();

        if (!reporting || owner.empty()) {
            behind = lost = true;  // nobody is there
        } else if (door.is_open() && (last || !behind)) {
            // If the session turns out to be gone, another one is opened at once.
            if (!tell(event, info, false) && !door.is_open() && !last)
                catch_up();
        } else if (!last) {
            catch_up();
        }
    }

    // One event. Whether the agent has answered it. `again`: it may know that already.
    bool tell(const std::string &event, const Info &info, bool again) {
        for (int attempt = 0; attempt < 2 && door.is_open(); ++attempt) {
            try {
                door.say(event.c_str(), position, info);
            } catch (const Refused &error) {
                const Verdict verdict = judge(event, error, again);
                if (verdict == Verdict::say_again) {
                    serve(std::chrono::seconds(1), false);
                    continue;
                }
                if (verdict != Verdict::done && verdict != Verdict::wrong)
                    return false;
            }
            if (event == "AdBreakStart")
                told_break = true;
            else if (event == "AdStart")
                told_ad = true;
            else if (event == "AdComplete")
                told_ad = false;
            else if (event == "AdBreakComplete")
                told_break = told_ad = false;
            return true;
        }
        lost = behind = true;
        return false;
    }

    Verdict judge(const std::string &what, const Refused &error, bool again = false) {
        Verdict verdict = meaning_of(error.name);
        if (again && verdict == Verdict::wrong)
            return verdict;
        if (verdict == Verdict::open_anew && !door.is_open())
            verdict = Verdict::give_up;  // we may not even open one
        std::cerr << what << ": " << error.what() << '\n';
        wrong |= verdict == Verdict::wrong || verdict == Verdict::give_up;
        lost |= verdict == Verdict::open_anew || verdict == Verdict::later;
        behind |= verdict == Verdict::later;
        if (verdict == Verdict::open_anew)
            door.forget();
        if (verdict == Verdict::give_up)
            reporting = false;
        return verdict;
    }

    // The content plays; meanwhile the bus is served: `Closed`, and the agent that goes and comes.
    void watch(std::chrono::milliseconds time) {
        if (step) {
            std::printf("at %.1f\n", position);
            std::fflush(stdout);
        }
        serve(time, step);
    }

    // Serves the bus for a time, or until a line comes on standard input.
    void serve(std::chrono::milliseconds time, bool until_line) {
        using Clock = std::chrono::steady_clock;  // the monotonic clock, as sd-bus has it
        using std::chrono::microseconds;
        const auto end = Clock::now() + (until_line ? std::chrono::hours(24) : time);
        for (;;) {
            const int worked = bus ? sd_bus_process(bus, nullptr) : -ENOTCONN;
            if (changed) {
                changed = false;
                agent_changed();
                continue;
            }
            if (worked > 0)
                continue;
            pollfd fds[2] = {{until_line ? STDIN_FILENO : -1, POLLIN, 0}, {-1, 0, 0}};
            auto until = end;
            if (worked == 0) {  // else the bus has gone away; the film has not
                std::uint64_t due = UINT64_MAX;
                fds[1] = {sd_bus_get_fd(bus), static_cast<short>(sd_bus_get_events(bus)), 0};
                if (sd_bus_get_timeout(bus, &due) >= 0 && due != UINT64_MAX)
                    until = std::min(until, Clock::time_point(microseconds(due)));
            }
            const auto now = Clock::now();
            if (now >= end)
                return;
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now);
            poll(fds, 2, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
            if (fds[0].revents) {
                char line[100];
                step = read(STDIN_FILENO, line, sizeof line) > 0;  // at its end: by itself
                return;
            }
        }
    }

    sd_bus *bus;  // nullptr: there is none
    Door &door;
    std::string id;
    bool step;
    Slot changes;
    std::string owner;     // who has the agent's name; empty: nobody
    bool changed = false;  // that was another a moment ago
    double position = 0;   // in the film; ads do not count
    // What is played: it is said again to an agent that has missed some of it.
    const char *motion = nullptr;
    std::optional<Info> ad_break, ad;
    bool told_break = false, told_ad = false;  // what the agent knows of them
    bool opened = false;     // a session of this viewing was open before
    bool behind = false;     // the agent does not know what is played now
    bool reporting = true;   // false once it makes no sense to go on
    bool lost = false;       // something was not reported
    bool wrong = false;      // something was refused as wrong
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
    const bool step = argc > 1 && std::strcmp(argv[1], "--step") == 0;
    argv += step;
    argc -= step;
    const std::string way = argc == 3 ? argv[1] : "";
    if (way != "method" && way != "signal") {
        std::cerr << "usage: player [--bus system|session|ADDRESS] [--step] method|signal "
                     "MEDIA_ID\n";
        return 1;
    }
    Bus bus;
    try {
        bus = connect(which);
    } catch (const Refused &error) {
        std::cerr << "the bus cannot be reached: " << error.what() << '\n';
    }
    MethodDoor methods(bus.get());
    SignalDoor signals(bus.get());
    Player player(bus.get(), way == "signal" ? static_cast<Door &>(signals) : methods, argv[2],
                  step);
    try {
        if (bus) {
            player.ask_where();
            player.look_for_the_agent();
        }
    } catch (const Refused &error) {
        std::cerr << "the bus has gone away: " << error.what() << '\n';
    }
    const double start = player.where();
    player.film();
    const char *rest = player.all_reported() ? "" : ", not all of it reported";
    std::printf("played %s from %.1f to %.1f%s\n", argv[2], start, player.where(), rest);
    return player.refused() ? 2 : 0;
}
