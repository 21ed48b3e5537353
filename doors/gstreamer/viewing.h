/* What a pipeline does, said in the events of playheadd: one session for what a pipeline shows, from
 * the first picture that moves to its end. Everything here is the thread's. */
#ifndef PLAYHEAD_GST_VIEWING_H
#define PLAYHEAD_GST_VIEWING_H

#include <glib.h>

#include "params.h"
#include "watch.h"

typedef struct playhead_agent playhead_agent;

/* Who speaks for all pipelines. */
struct speaker {
    const struct params *params;
    playhead_agent *(*agent)(void); /* made when there is something to say; NULL: there is none */
};

struct viewing *viewing_new(struct watch *watch, const struct speaker *speaker);
/* What still plays ends where it should be by now. */
void viewing_free(struct viewing *viewing);

void viewing_note(struct viewing *viewing, const struct note *note);
/* Notes were lost: looks at what the pipeline does. */
void viewing_look(struct viewing *viewing);
/* When viewing_tick() wants to be called, by g_get_monotonic_time(); 0: not until something happens. */
gint64 viewing_due(const struct viewing *viewing);
void viewing_tick(struct viewing *viewing);

#endif
