-- Stalls per hour and box between two moments: how many, and how long the viewer waited.
--   clickhouse-client --param_from='2026-11-27 00:00:00' --param_to='2026-11-28 00:00:00' --queries-file stalls.sql
--
-- A stall is a bufferStart after the session's first play; one before it is the player filling its buffer at
-- the start, and is counted apart. It lasts until the next play, pauseStart or end, or, in a session that is
-- still open, until the newest record. The hour is that of its beginning.
-- Columns: box, session_id, time, event.
WITH records AS
(
    SELECT
        box,
        time,
        event,
        max(event = 'play') OVER so_far AS has_played,
        ifNull(
            min(if(event IN ('play', 'pauseStart', 'sessionEnd', 'sessionComplete'), toNullable(time), NULL))
                OVER later,
            max(time) OVER (PARTITION BY session_id)) AS until
    FROM playhead.playback FINAL
    WHERE time >= {from:DateTime('UTC')} - INTERVAL 25 HOUR AND time < {to:DateTime('UTC')} + INTERVAL 1 HOUR
    WINDOW
        so_far AS (PARTITION BY session_id ORDER BY time, uid ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
        later AS (PARTITION BY session_id ORDER BY time, uid ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)
)
SELECT
    toStartOfHour(time) AS hour,
    box,
    countIf(has_played) AS stalls,
    round(sumIf(dateDiff('millisecond', time, until), has_played) / 1000, 1) AS seconds_stalled,
    countIf(NOT has_played) AS at_start
FROM records
WHERE event = 'bufferStart' AND time >= {from:DateTime('UTC')} AND time < {to:DateTime('UTC')}
GROUP BY hour, box
ORDER BY hour, box;
