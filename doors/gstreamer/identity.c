#include "identity.h"

#include <string.h>

#define MOST_URI_BYTES 512
#define MOST_DATA_URI_BYTES 64
#define HASH_BYTES 17 /* "#" and 16 digits */

/* FNV-1a: the same on every box and in every version. */
static guint64 hash_of(const char *text) {
    guint64 hash = 0xcbf29ce484222325;
    for (; *text; text++)
        hash = (hash ^ (guchar)*text) * 0x100000001b3;
    return hash;
}

/* The number of bytes up to `most` that end with a whole character. */
static size_t whole_characters(const char *text, size_t most) {
    while (most > 0 && ((guchar)text[most] & 0xc0) == 0x80)
        most--;
    return most;
}

/* Takes "user:password@" out of "scheme://user:password@host/path". */
static void hide_user(char *uri) {
    char *host = strstr(uri, "://");
    if (!host)
        return;
    host += 3;
    char *end = host + strcspn(host, "/?#");
    char *at = end;
    while (at > host && at[-1] != '@')
        at--;
    memmove(host, at, strlen(at) + 1);
}

char *identity_of_uri(const char *uri, bool drop_query) {
    char *id = g_utf8_make_valid(uri, -1);
    bool data = g_ascii_strncasecmp(id, "data:", 5) == 0;
    size_t most = data ? MOST_DATA_URI_BYTES - HASH_BYTES : MOST_URI_BYTES - HASH_BYTES;
    if (!data) {
        hide_user(id);
        id[strcspn(id, drop_query ? "?#" : "#")] = '\0';
        if (strlen(id) <= MOST_URI_BYTES)
            return id;
    }
    char *cut = g_strdup_printf("%.*s#%016" G_GINT64_MODIFIER "x",
                                (int)whole_characters(id, MIN(most, strlen(id))), id, hash_of(id));
    g_free(id);
    return cut;
}

void identity_of_error(const GError *error, char *id, size_t size) {
    static const struct {
        GQuark (*domain)(void);
        GType (*type)(void);
        const char *name;
    } domains[] = {
        { gst_core_error_quark, gst_core_error_get_type, "core" },
        { gst_library_error_quark, gst_library_error_get_type, "library" },
        { gst_resource_error_quark, gst_resource_error_get_type, "resource" },
        { gst_stream_error_quark, gst_stream_error_get_type, "stream" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(domains); i++) {
        if (domains[i].domain() != error->domain)
            continue;
        GEnumClass *class = g_type_class_ref(domains[i].type());
        GEnumValue *value = g_enum_get_value(class, error->code);
        g_snprintf(id, size, "gst.%s.%s", domains[i].name, value ? value->value_nick : "unknown");
        g_type_class_unref(class);
        return;
    }
    g_snprintf(id, size, "%s.%d", g_quark_to_string(error->domain), error->code);
}
