/* A player with what gdbus-codegen makes: a session by method, then another by signal. */
#include <stdio.h>

#include "playhead.h"

static GVariant *info(const char *id) {
    GVariantDict dict;
    g_variant_dict_init(&dict, NULL);
    if (id) {
        g_variant_dict_insert(&dict, "id", "s", id);
        g_variant_dict_insert(&dict, "app", "s", "tv.example.generated");
        g_variant_dict_insert(&dict, "length", "d", 600.0);
    }
    return g_variant_dict_end(&dict);
}

static void check(GError *error) {
    if (error)
        g_error("%s", error->message);
}

int main(void) {
    GError *error = NULL;
    GDBusConnection *bus = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, &error);
    check(error);
    PlayheadAgent1 *agent = playhead_agent1_proxy_new_sync(
        bus, G_DBUS_PROXY_FLAGS_NONE, "tv.playhead.Agent1", "/tv/playhead/Agent1", NULL, &error);
    check(error);
    printf("version %s\n", playhead_agent1_get_version(agent));

    char *path = NULL;
    playhead_agent1_call_open_session_sync(agent, 0, info("gdbus-method"), &path, NULL, &error);
    check(error);
    PlayheadSession1 *session = playhead_session1_proxy_new_sync(
        bus, G_DBUS_PROXY_FLAGS_NONE, "tv.playhead.Agent1", path, NULL, &error);
    check(error);
    playhead_session1_call_play_sync(session, 0, info(NULL), NULL, &error);
    check(error);
    printf("media %s\n", playhead_session1_get_media_id(session));
    playhead_session1_call_ad_complete_sync(session, 1, info(NULL), NULL, &error);
    char *name = g_dbus_error_get_remote_error(error);
    printf("refused %s\n", name);
    g_free(name);
    g_clear_error(&error);
    playhead_session1_call_end_sync(session, 5, info(NULL), NULL, &error);
    check(error);

    GVariant *point = NULL;
    playhead_agent1_call_get_resume_point_sync(agent, "tv.example.generated", "gdbus-method",
                                               &point, NULL, &error);
    check(error);
    double position = -1;
    g_variant_lookup(point, "position", "d", &position);
    printf("point %.1f\n", position);

    PlayheadPlayer1 *player = playhead_player1_skeleton_new();
    g_dbus_interface_skeleton_export(G_DBUS_INTERFACE_SKELETON(player), bus, "/tv/example/player",
                                     &error);
    check(error);
    playhead_player1_emit_session_start(player, 0, info("gdbus-signal"));
    playhead_player1_emit_play(player, 0, info(NULL));
    playhead_player1_emit_end(player, 7, info(NULL));
    g_dbus_connection_flush_sync(bus, NULL, &error);
    check(error);

    g_object_unref(player);
    g_variant_unref(point);
    g_object_unref(session);
    g_free(path);
    g_object_unref(agent);
    g_object_unref(bus);
    return 0;
}
