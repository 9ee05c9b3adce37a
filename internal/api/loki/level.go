package loki

import (
	"strings"

	"go.opentelemetry.io/collector/pdata/plog"
)

// levelKeys are the labels and fields that name a line's level, the best first
// (Loki's default of log_level_fields).
var levelKeys = []string{"level", "LEVEL", "Level", "severity", "SEVERITY", "Severity", "detected_level", "lvl", "LVL"}

func isLevelKey(name string) bool {
	for _, k := range levelKeys {
		if k == name {
			return true
		}
	}
	return false
}

// severityOf reads a level's name; 0 when it is none.
func severityOf(level string) plog.SeverityNumber {
	switch strings.ToLower(level) {
	case "trace", "trc":
		return plog.SeverityNumberTrace
	case "debug", "dbg":
		return plog.SeverityNumberDebug
	case "info", "inf", "information", "informational", "notice":
		return plog.SeverityNumberInfo
	case "warn", "wrn", "warning":
		return plog.SeverityNumberWarn
	case "error", "err", "eror":
		return plog.SeverityNumberError
	case "fatal", "critical", "crit", "emergency", "panic", "alert":
		return plog.SeverityNumberFatal
	}
	return plog.SeverityNumberUnspecified
}

// maxLevelSearchBytes is how much of a line is searched for its level: loggers
// write it in front.
const maxLevelSearchBytes = 512

// severityInLine finds level=warn of logfmt and "level":"warn" of JSON, else a word
// such as ERROR.
func severityInLine(line string) plog.SeverityNumber {
	line = line[:min(len(line), maxLevelSearchBytes)]
	for _, key := range levelKeys {
		for rest := line; ; {
			i := strings.Index(rest, key)
			if i < 0 {
				break
			}
			boundary := i == 0 || !isWord(rest[i-1])
			rest = rest[i+len(key):]
			if !boundary {
				continue
			}
			value := strings.TrimLeft(rest, `" `)
			if value == "" || value[0] != '=' && value[0] != ':' {
				continue
			}
			value = strings.TrimLeft(value[1:], `" `)
			end := 0
			for end < len(value) && isWord(value[end]) {
				end++
			}
			if n := severityOf(value[:end]); n != plog.SeverityNumberUnspecified {
				return n
			}
		}
	}
	return severityWord(line)
}

// severityWords are searched for in lines that have no field with a level.
var severityWords = []string{"trace", "debug", "fatal", "critical", "error", "err", "warning", "warn", "info"}

// severityWord is the level whose word stands first in a line: [ERROR] or "warn:". A
// word that names a field, error="" or {"error":null}, says nothing.
func severityWord(line string) plog.SeverityNumber {
	line = strings.ToLower(line)
	first, found := len(line), plog.SeverityNumberUnspecified
	for _, word := range severityWords {
		for from := 0; from < first; {
			i := strings.Index(line[from:first], word)
			if i < 0 {
				break
			}
			i += from
			end := i + len(word)
			from = end
			if i > 0 && isWord(line[i-1]) || end < len(line) && (isWord(line[end]) || line[end] == '=') || strings.HasPrefix(line[end:], `":`) {
				continue
			}
			first, found = i, severityOf(word)
		}
	}
	return found
}

func isWord(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
