-- An ExportLogsServiceRequest becomes a row a record, with the columns of playhead.incoming. All attributes
-- stay, log.record.uid among them; their values become text, as the Collector's exporter does it.

local function text(value)
    for _, inner in pairs(value or {}) do
        if type(inner) == "number" then
            return string.format("%.15g", inner)
        end
        return tostring(inner)
    end
    return ""
end

local function map(attributes)
    local made = {}
    for _, attribute in ipairs(attributes or {}) do
        made[attribute.key] = text(attribute.value)
    end
    return made
end

-- Called for each body. A list of records in place of one makes Fluent Bit go on with each of them; code 2
-- keeps the time of arrival, which nobody looks at.
function rows(tag, timestamp, body)
    local made = {}
    for _, of_resource in ipairs(body.resourceLogs or {}) do
        local resource = map((of_resource.resource or {}).attributes)
        for _, of_scope in ipairs(of_resource.scopeLogs or {}) do
            local scope = of_scope.scope or {}
            for _, record in ipairs(of_scope.logRecords or {}) do
                local nanoseconds = tostring(record.timeUnixNano or "0000000000")
                made[#made + 1] = {
                    -- Seconds with nine decimals: DateTime64(9) reads it without a loss.
                    Timestamp = nanoseconds:sub(1, -10) .. "." .. nanoseconds:sub(-9),
                    EventName = record.eventName or "",
                    SeverityText = record.severityText or "",
                    SeverityNumber = record.severityNumber or 0,
                    ServiceName = resource["service.name"] or "",
                    ScopeName = scope.name or "",
                    ScopeVersion = scope.version or "",
                    ResourceAttributes = resource,
                    LogAttributes = map(record.attributes),
                }
            end
        end
    end
    if #made == 0 then
        return -1, timestamp, body
    end
    return 2, timestamp, made
end
