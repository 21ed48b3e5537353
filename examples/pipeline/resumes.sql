-- How often each title was begun and how often it was gone on with, between two moments.
--   clickhouse-client --param_from='2026-11-01 00:00:00' --param_to='2026-12-01 00:00:00' --queries-file resumes.sql
--
-- The agent decides what a resume is and says so (docs/behaviour.md 2.1): the viewer came back to where they
-- were, in this or another sitting, after a crash of the player or a pause of half an hour too.
-- Columns: box, event (sessionStart alone), time, resume, media_id, media_name.
SELECT
    media_id,
    any(media_name) AS title,
    countIf(NOT resume) AS starts,
    countIf(resume) AS resumes,
    uniqExactIf(box, resume) AS boxes_that_resumed
FROM playhead.playback FINAL
WHERE event = 'sessionStart' AND time >= {from:DateTime('UTC')} AND time < {to:DateTime('UTC')}
GROUP BY media_id
ORDER BY resumes DESC, starts DESC, media_id;
