package logql

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

var errUnit = errors.New("unknown unit")

// dayUnits are the units that Prometheus knows beyond Go's.
var dayUnits = map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour, "y": 365 * 24 * time.Hour}

// parseDuration reads Go durations (1h30m, 1.5s, 100ms) and Prometheus' days,
// weeks and years, also mixed (1d12h).
func parseDuration(s string) (time.Duration, error) {
	if d, err := time.ParseDuration(s); err == nil {
		return d, nil
	}
	rest := s
	neg := strings.HasPrefix(rest, "-")
	rest = strings.TrimPrefix(rest, "-")
	if rest == "" {
		return 0, errUnit
	}
	var total time.Duration
	for rest != "" {
		n := 0
		for n < len(rest) && (isDigit(rest[n]) || rest[n] == '.') {
			n++
		}
		u := n
		for u < len(rest) && !isDigit(rest[u]) && rest[u] != '.' {
			u++
		}
		v, err := strconv.ParseFloat(rest[:n], 64)
		if err != nil {
			return 0, errUnit
		}
		unit := rest[n:u]
		var d time.Duration
		if day, ok := dayUnits[unit]; ok {
			f := v * float64(day)
			if f > math.MaxInt64/2 {
				return 0, errUnit
			}
			d = time.Duration(f)
		} else if d, err = time.ParseDuration(rest[:u]); err != nil {
			return 0, errUnit
		}
		if total > math.MaxInt64/2-d {
			return 0, errUnit
		}
		total += d
		rest = rest[u:]
	}
	if neg {
		total = -total
	}
	return total, nil
}

// formatDuration writes a duration that parseDuration reads back, in the short
// form people write: 5m, 1h30m, 1d.
func formatDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

var byteUnits = map[string]float64{
	"b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "pb": 1e15, "eb": 1e18,
	"k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "p": 1e15, "e": 1e18,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40, "pib": 1 << 50, "eib": 1 << 60,
	"ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40, "pi": 1 << 50, "ei": 1 << 60,
}

// parseBytes reads sizes such as 42MB, 1.5Kib or 0b, as humanize does.
func parseBytes(s string) (float64, error) {
	n := 0
	for n < len(s) && (isDigit(s[n]) || s[n] == '.' || s[n] == ',') {
		n++
	}
	v, err := strconv.ParseFloat(strings.ReplaceAll(s[:n], ",", ""), 64)
	if err != nil {
		return 0, errUnit
	}
	unit := strings.ToLower(strings.TrimSpace(s[n:]))
	if unit == "" {
		return v, nil
	}
	mul, ok := byteUnits[unit]
	if !ok {
		return 0, errUnit
	}
	return math.Trunc(v * mul), nil
}
