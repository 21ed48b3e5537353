-- Boxes that have gone silent: unplugged, broken, cut off.
--   clickhouse-client --param_at="$(date -u '+%F %T')" --queries-file silent-boxes.sql
--
-- In the middle of a session a box reports every 10 s, so 10 minutes without a word are news. Outside one it
-- has nothing to report, so there it takes 3 days. A box counts as heard when something *arrives*: one that
-- was offline and now delivers what is old is not silent. Boxes of which nothing has arrived for 30 days are
-- left out. A viewer who takes consent back ends a session without a word, and looks like this too.
-- Columns: box, session_id, time, received, event; media_name of sessionStart.
WITH
    sessions AS
    (
        SELECT
            box,
            max(media_name) AS name,
            max(time) AS last_time,
            max(received) AS last_received,
            countIf(event IN ('sessionEnd', 'sessionComplete')) = 0 AS open
        FROM playhead.playback FINAL
        -- A box keeps what it could not send for 7 days (delivery.queue_max_age_seconds).
        WHERE time > {at:DateTime('UTC')} - INTERVAL 37 DAY AND received > {at:DateTime('UTC')} - INTERVAL 30 DAY
        GROUP BY box, session_id
    ),
    -- A session whose end got lost long ago is not what the box was doing when it was last heard.
    newest AS
    (
        SELECT *, open AND last_time >= max(last_time) OVER (PARTITION BY box) - INTERVAL 60 SECOND AS watching_then
        FROM sessions
    )
SELECT
    box,
    max(last_received) AS last_heard,
    max(last_time) AS last_event,
    max(watching_then) AS in_session,
    maxIf(name, watching_then) AS watching
FROM newest
GROUP BY box
HAVING last_heard < {at:DateTime('UTC')} - if(in_session, toIntervalSecond(600), toIntervalSecond(3 * 86400))
ORDER BY last_heard, box;
