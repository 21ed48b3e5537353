-- Time watched per title between two moments, and by how many boxes.
--   clickhouse-client --param_from='2026-11-01 00:00:00' --param_to='2026-12-01 00:00:00' \
--       --queries-file time-watched.sql
--
-- Time watched is content played, not time on the wall: how far the playhead went from each record to the
-- next one of its session while the last of play, pauseStart, bufferStart was play and no ad break was open.
-- A seek is reported as pauseStart and play, so what it jumps over does not count, and half an hour at 1.5
-- times the speed is 45 minutes. What runs faster than twice (fast forward, a jump that the player did not
-- say) counts by the clock; what runs backwards counts nothing. A session that is still open counts up to its
-- newest record. Offline content counts when it was watched, whenever it arrived.
-- Columns: box, session_id, time, event, playhead; media_id, media_name and content_type of sessionStart.
WITH
    records AS
    (
        SELECT
            session_id,
            box,
            time,
            max(media_id) OVER whole AS media,
            max(media_name) OVER whole AS name,
            max(content_type) OVER whole AS type,
            last_value(if(event IN ('play', 'pauseStart', 'bufferStart'), toNullable(toString(event)), NULL))
                OVER so_far AS state,
            last_value(if(event IN ('adBreakStart', 'adBreakComplete'), toNullable(toString(event)), NULL))
                OVER so_far AS ad_break,
            -- To the next record, if there is one.
            leadInFrame(toNullable(playhead)) OVER whole - playhead AS moved,
            dateDiff('millisecond', time, leadInFrame(toNullable(time)) OVER whole) / 1000 AS took
        FROM playhead.playback FINAL
        WHERE time >= {from:DateTime('UTC')} - INTERVAL 25 HOUR AND time < {to:DateTime('UTC')} + INTERVAL 1 MINUTE
        WINDOW
            whole AS (PARTITION BY session_id ORDER BY time, uid
                ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING),
            so_far AS (PARTITION BY session_id ORDER BY time, uid
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    ),
    played AS
    (
        SELECT
            *,
            -- The second of the day of a live channel begins anew at midnight.
            if(type IN ('live', 'linear', 'radio') AND moved < -43200, moved + 86400, moved) AS forward
        FROM records
        WHERE time >= {from:DateTime('UTC')} AND time < {to:DateTime('UTC')}
    )
SELECT
    media AS media_id,
    any(name) AS title,
    round(sumIf(
        multiIf(forward <= 0, 0, forward <= 2 * took + 1, forward, took),
        state = 'play' AND ifNull(ad_break, '') != 'adBreakStart' AND isNotNull(moved)), 1) AS seconds_watched,
    uniqExact(box) AS boxes
FROM played
GROUP BY media
ORDER BY seconds_watched DESC, media;
