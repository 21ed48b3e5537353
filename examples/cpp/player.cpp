// A small player in C++17 with the C client (clients/c).
//
// usage: player [--bus system|session|ADDRESS] [--step] MEDIA_ID
//
// It plays a few seconds of a film of ten minutes: a pause, a seek, an ad break, and the viewer leaves.
// Started again, it goes on where it was. With --step each piece of the film lasts until a line comes on
// standard input. The film is played whatever becomes of the agent; the exit status is 2 if something was
// refused (1: usage).

#include <playhead.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <poll.h>
#include <string>
#include <unistd.h>

namespace {

// Resume points are kept by (app, media id): choose a name once and never change it.
constexpr char app[] = "tv.example.player";
constexpr double film_length = 600;  // seconds, not milliseconds

struct Free {
    void operator()(playhead_agent *agent) const { playhead_free(agent); }
    void operator()(playhead_session *session) const { playhead_session_free(session); }
};
using Agent = std::unique_ptr<playhead_agent, Free>;
using Session = std::unique_ptr<playhead_session, Free>;

class Player {
public:
    Player(const char *bus, bool step) : step(step) {
        playhead_options options{};
        options.address = bus;
        options.on_error = [](playhead_session *, const playhead_failure *error, void *player) {
            static_cast<Player *>(player)->refuse(*error);
        };
        options.on_closed = [](playhead_session *, const char *reason, void *) {
            if (std::string("end") != reason)
                std::fprintf(stderr, "the session has closed: %s\n", reason);
        };
        options.userdata = this;
        agent.reset(playhead_new(&options));
    }

    // First the agent is asked, then the decoder is sent there and shows a picture. The answer comes, if
    // only to say that nobody is there.
    void ask_where(const char *media_id) {
        answered = false;
        const auto answer = [](const playhead_point *point, const playhead_failure *error, void *player) {
            if (error)
                std::fprintf(stderr, "from the beginning: %s: %s\n", error->name, error->message);
            auto &self = *static_cast<Player *>(player);
            self.position = point->completed ? 0 : point->position;  // seen to the end: a new viewing
            self.answered = true;
        };
        if (playhead_resume_point(agent.get(), app, media_id, answer, this) == 0)
            while (!answered) {
                wait();
                playhead_process(agent.get());
            }
    }

    void play(const char *media_id) {
        const playhead_pair metadata[] = {{"media.genre", "drama"}, {}};
        playhead_media media{};
        media.id = media_id;
        media.app = app;
        media.name = "Harbour Lights";
        media.length = film_length;
        media.metadata = metadata;
        const Session film(playhead_open(agent.get(), position, &media));
        playhead_play(film.get(), position, 1);
        watch();
        position += 1;

        // A pause is Pause and Play. Ending the session and starting another would be two viewings.
        playhead_pause(film.get(), position);
        playhead_play(film.get(), position, 1);

        // A seek has two ends: where the viewer left, and where the picture is again.
        playhead_seek_start(film.get(), position);
        position += 30;
        playhead_seek_complete(film.get(), position);
        watch();
        position += 1;

        // An ad lies in a break, even if it is alone. The film's position stands still meanwhile.
        const playhead_ad_break pod{"mid-roll", 1, position};
        const playhead_pair about[] = {{"media.ad.advertiser", "Example"}, {}};
        const playhead_ad ad{"ad-7", "Soap", 1, 1.0, about};
        playhead_ad_break_start(film.get(), position, &pod);
        playhead_ad_start(film.get(), position, &ad);
        watch();
        playhead_ad_complete(film.get(), position);
        playhead_ad_break_complete(film.get(), position);
        watch();
        position += 1;

        // The viewer leaves: End. When the film has run out it is Complete; one of them always.
        if (position < film_length)
            playhead_end(film.get(), position);
        else
            playhead_complete(film.get(), film_length);
    }

    // Whether everything was said.
    bool close() {
        playhead_close(agent.get(), 0);
        while (playhead_process(agent.get()))
            wait();
        return agent && playhead_pending(agent.get()) == 0;
    }

    double where() const { return position; }
    bool was_refused() const { return refused; }

private:
    // The others are no mistake of the player: the agent is away, busy, or its disk is full.
    void refuse(const playhead_failure &error) {
        std::fprintf(stderr, "%s: %s: %s\n", error.event, error.name, error.message);
        for (const char *mistake : {"InvalidArgs", "NotAllowed", "AccessDenied"})
            refused |= std::strcmp(error.name, mistake) == 0;
    }

    void wait() {
        pollfd fds[] = {{playhead_fd(agent.get()), POLLIN, 0}};
        poll(fds, 1, -1);
    }

    // The loop runs for a second of the film, or until a line comes on standard input.
    void watch() {
        using Clock = std::chrono::steady_clock;
        const auto end = Clock::now() + std::chrono::seconds(1);
        if (step) {
            std::printf("at %.1f\n", position);
            std::fflush(stdout);
        }
        while (step || Clock::now() < end) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
            pollfd fds[] = {{playhead_fd(agent.get()), POLLIN, 0}, {step ? STDIN_FILENO : -1, POLLIN, 0}};
            poll(fds, 2, step ? -1 : static_cast<int>(left));
            playhead_process(agent.get());
            char line[100];
            if (fds[1].revents) {
                step = read(STDIN_FILENO, line, sizeof line) > 0;  // at its end the film plays by itself
                return;
            }
        }
    }

    Agent agent;
    bool step;
    bool answered = false;
    double position = 0;  // in the film; ads do not count
    bool refused = false;
};

}  // namespace

int main(int argc, char **argv) {
    const char *bus = nullptr;
    bool step = false;
    for (; argc > 2 && argv[1][0] == '-'; ++argv, --argc) {
        if (std::strcmp(argv[1], "--bus") == 0 && argc > 3) {
            bus = argv[2];
            ++argv, --argc;
        } else if (std::strcmp(argv[1], "--step") == 0) {
            step = true;
        }
    }
    if (argc != 2) {
        std::fprintf(stderr, "usage: player [--bus system|session|ADDRESS] [--step] MEDIA_ID\n");
        return 1;
    }
    Player player(bus, step);
    player.ask_where(argv[1]);
    const double start = player.where();
    player.play(argv[1]);
    const char *rest = player.close() ? "" : ", not all of it reported";
    std::printf("played %s from %.1f to %.1f%s\n", argv[1], start, player.where(), rest);
    return player.was_refused() ? 2 : 0;
}
