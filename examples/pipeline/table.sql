-- Playback reports of playheadd in ClickHouse. One schema for all three ways: the OpenTelemetry Collector,
-- Vector and Fluent Bit all insert into playhead.incoming, and a view makes rows of playhead.playback of it.
-- Run it once, before the first record arrives:  clickhouse-client --queries-file table.sql

CREATE DATABASE IF NOT EXISTS playhead;

-- What was reported, a row a record. Columns that only some events have are empty on the others; media_*,
-- resume and downloaded stand on sessionStart alone, so a query takes them from there.
CREATE TABLE IF NOT EXISTS playhead.playback
(
    -- When it happened, by the clock of the box. Content watched offline arrives days later with this time.
    time DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    -- When it arrived here, by the clock of ClickHouse.
    received DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    -- service.instance.id: the installation.
    box String CODEC(ZSTD(1)),
    session_id String CODEC(ZSTD(1)),
    -- log.record.uid: the same for a record that is delivered twice.
    uid String CODEC(ZSTD(1)),
    -- The event's name without `media.`: sessionStart, play, pauseStart, bufferStart, ping, sessionEnd, ...
    event LowCardinality(String),
    -- Seconds in the main content; live: second of the day.
    playhead Float64 CODEC(Gorilla, ZSTD(1)),

    previous_session_id String CODEC(ZSTD(1)),
    media_id String CODEC(ZSTD(1)),
    media_name String CODEC(ZSTD(1)),
    media_length Float64 CODEC(ZSTD(1)),
    content_type LowCardinality(String),
    stream_type LowCardinality(String),
    channel LowCardinality(String),
    player_name LowCardinality(String),
    resume Bool,
    downloaded Bool,

    ad_id String CODEC(ZSTD(1)),
    ad_name String CODEC(ZSTD(1)),
    ad_length Float64 CODEC(ZSTD(1)),
    state_name LowCardinality(String),
    error_id String CODEC(ZSTD(1)),

    -- Quality; NULL where the record says nothing of it. kbit/s, frames since the start, frames/s, ms.
    bitrate Nullable(UInt32) CODEC(ZSTD(1)),
    dropped_frames Nullable(UInt32) CODEC(ZSTD(1)),
    frames_per_second Nullable(UInt32) CODEC(ZSTD(1)),
    time_to_start Nullable(UInt32) CODEC(ZSTD(1)),

    -- service.version: the agent's.
    version LowCardinality(String),
    -- What `otlp.resource` adds on the box: environment, model, region, ...
    resource Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    -- All other attributes: media.show, media.chapter.*, media.custom.*, ...
    attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),

    -- Queries ask for a span of time; the key below is ordered by session.
    INDEX by_time time TYPE minmax GRANULARITY 1
)
-- A box sends a record again when it got no answer. Rows with the same key become one: at the next merge,
-- and in each query that says FINAL. The one that arrived last stays.
ENGINE = ReplacingMergeTree(received)
-- A month a partition: late content goes where it belongs, and a month leaves as a whole.
PARTITION BY toYYYYMM(time)
-- The rows of a session lie together, because every query below goes through sessions in order.
PRIMARY KEY session_id
ORDER BY (session_id, uid)
-- Who watched what is personal data: keep it no longer than you need it.
TTL toDateTime(time) + INTERVAL 13 MONTH DELETE
SETTINGS ttl_only_drop_parts = 1;

-- Where the three programs insert. The columns are those of the Collector's ClickHouse exporter. Nothing is
-- kept here (engine Null): the view below takes each block, and an insert fails when the view fails.
CREATE TABLE IF NOT EXISTS playhead.incoming
(
    Timestamp DateTime64(9, 'UTC'),
    TraceId String,
    SpanId String,
    TraceFlags UInt8,
    SeverityText LowCardinality(String),
    SeverityNumber UInt8,
    ServiceName LowCardinality(String),
    Body String,
    ResourceSchemaUrl LowCardinality(String),
    ResourceAttributes Map(LowCardinality(String), String),
    ScopeSchemaUrl LowCardinality(String),
    ScopeName String,
    ScopeVersion LowCardinality(String),
    ScopeAttributes Map(LowCardinality(String), String),
    LogAttributes Map(LowCardinality(String), String),
    EventName String,
    Received DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = Null;

-- Records of other services, and those without a uid, are left out.
CREATE MATERIALIZED VIEW IF NOT EXISTS playhead.incoming_to_playback TO playhead.playback AS
WITH
    LogAttributes AS a,
    ResourceAttributes AS r
SELECT
    toDateTime64(Timestamp, 3, 'UTC') AS time,
    Received AS received,
    r['service.instance.id'] AS box,
    a['session.id'] AS session_id,
    a['log.record.uid'] AS uid,
    substring(EventName, length('media.') + 1) AS event,
    toFloat64OrZero(a['media.playhead']) AS playhead,
    a['session.previous_id'] AS previous_session_id,
    a['media.id'] AS media_id,
    a['media.name'] AS media_name,
    toFloat64OrZero(a['media.length']) AS media_length,
    a['media.contentType'] AS content_type,
    a['media.streamType'] AS stream_type,
    a['media.channel'] AS channel,
    a['media.playerName'] AS player_name,
    a['media.resume'] = 'true' AS resume,
    a['media.downloaded'] = 'true' AS downloaded,
    a['media.ad.id'] AS ad_id,
    a['media.ad.name'] AS ad_name,
    toFloat64OrZero(a['media.ad.length']) AS ad_length,
    a['media.state.name'] AS state_name,
    a['media.qoe.errorID'] AS error_id,
    toUInt32OrNull(a['media.qoe.bitrate']) AS bitrate,
    toUInt32OrNull(a['media.qoe.droppedFrames']) AS dropped_frames,
    toUInt32OrNull(a['media.qoe.framesPerSecond']) AS frames_per_second,
    toUInt32OrNull(a['media.qoe.timeToStart']) AS time_to_start,
    r['service.version'] AS version,
    mapFilter((k, v) -> NOT startsWith(k, 'service.'), r) AS resource,
    mapFilter((k, v) -> k NOT IN (
        'session.id', 'session.previous_id', 'log.record.uid', 'media.playhead', 'media.id', 'media.name',
        'media.length', 'media.contentType', 'media.streamType', 'media.channel', 'media.playerName',
        'media.resume', 'media.downloaded', 'media.ad.id', 'media.ad.name', 'media.ad.length',
        'media.state.name', 'media.qoe.errorID', 'media.qoe.bitrate', 'media.qoe.droppedFrames',
        'media.qoe.framesPerSecond', 'media.qoe.timeToStart'), a) AS attributes
FROM playhead.incoming
WHERE ServiceName = 'playheadd' AND startsWith(EventName, 'media.') AND a['log.record.uid'] != '';
