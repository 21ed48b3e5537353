-- Who watches now: viewers per title, and what they do.
--   clickhouse-client --param_at="$(date -u '+%F %T')" --queries-file viewers-now.sql
--
-- A viewer is a session with no end yet (event sessionEnd or sessionComplete) whose newest record is at most
-- 60 s old by its own time: a box reports every 10 s, paused or not. What was watched offline and arrives now
-- has old times and is nobody who watches now. With `interval_seconds` over 30 on the box, raise the 60.
-- Columns: session_id, time, event; media_id and media_name of sessionStart.
WITH sessions AS
(
    SELECT
        session_id,
        max(media_id) AS media_id,
        max(media_name) AS name,
        argMaxIf(event, time, event IN ('play', 'pauseStart', 'bufferStart')) AS state,
        argMaxIf(event, time, event IN ('adBreakStart', 'adBreakComplete')) = 'adBreakStart' AS ads
    FROM playhead.playback FINAL
    -- A session lasts 24 hours at most (idle.max_session_seconds).
    WHERE time > {at:DateTime('UTC')} - INTERVAL 25 HOUR AND time <= {at:DateTime('UTC')}
    GROUP BY session_id
    HAVING max(time) > {at:DateTime('UTC')} - INTERVAL 60 SECOND
        AND countIf(event IN ('sessionEnd', 'sessionComplete')) = 0
)
SELECT
    media_id,
    any(name) AS title,
    count() AS viewers,
    countIf(state = 'play' AND NOT ads) AS playing,
    countIf(ads) AS in_ads,
    countIf(state = 'pauseStart' AND NOT ads) AS paused,
    countIf(state = 'bufferStart' AND NOT ads) AS stalled
FROM sessions
GROUP BY media_id
ORDER BY viewers DESC, media_id;
