package logql

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	texttemplate "text/template"
	"time"
	"unicode/utf8"
)

var errWidth = errors.New("width is larger than 10000")

const maxWidth = 10000

// wideFormat finds printf widths that would write megabytes.
var wideFormat = regexp.MustCompile(`\d{5,}|\*`)

// templateFuncs are the functions that LogQL's documentation names.
func templateFuncs() texttemplate.FuncMap {
	return texttemplate.FuncMap{
		"ToLower": strings.ToLower, "ToUpper": strings.ToUpper, "Replace": strings.Replace,
		"Trim": strings.Trim, "TrimLeft": strings.TrimLeft, "TrimRight": strings.TrimRight,
		"TrimPrefix": strings.TrimPrefix, "TrimSuffix": strings.TrimSuffix, "TrimSpace": strings.TrimSpace,
		"lower": strings.ToLower, "upper": strings.ToUpper, "title": title,
		"trim":       strings.TrimSpace,
		"trimAll":    func(cut, s string) string { return strings.Trim(s, cut) },
		"trimPrefix": func(p, s string) string { return strings.TrimPrefix(s, p) },
		"trimSuffix": func(p, s string) string { return strings.TrimSuffix(s, p) },
		"contains":   func(sub, s string) bool { return strings.Contains(s, sub) },
		"hasPrefix":  func(p, s string) bool { return strings.HasPrefix(s, p) },
		"hasSuffix":  func(p, s string) bool { return strings.HasSuffix(s, p) },
		"eq":         func(a, b any) bool { return fmt.Sprint(a) == fmt.Sprint(b) },
		"replace":    func(o, n, s string) string { return strings.ReplaceAll(s, o, n) },
		"repeat":     repeat,
		"trunc":      trunc,
		"substr":     substr,
		"indent":     indent,
		"nindent": func(n int, s string) (string, error) {
			out, err := indent(n, s)
			return "\n" + out, err
		},
		"alignLeft":  func(n int, s string) (string, error) { return align(n, s, true) },
		"alignRight": func(n int, s string) (string, error) { return align(n, s, false) },
		"default": func(d string, s string) string {
			if s == "" {
				return d
			}
			return s
		},
		"printf": func(format string, args ...any) (string, error) {
			if wideFormat.MatchString(format) {
				return "", errWidth
			}
			return fmt.Sprintf(format, args...), nil
		},
		"regexReplaceAll": func(re, s, repl string) (string, error) {
			r, err := regexp.Compile(re)
			if err != nil {
				return "", err
			}
			return r.ReplaceAllString(s, repl), nil
		},
		"regexReplaceAllLiteral": func(re, s, repl string) (string, error) {
			r, err := regexp.Compile(re)
			if err != nil {
				return "", err
			}
			return r.ReplaceAllLiteralString(s, repl), nil
		},
		"count": func(re, s string) (int, error) {
			r, err := regexp.Compile(re)
			if err != nil {
				return 0, err
			}
			return len(r.FindAllStringIndex(s, -1)), nil
		},
		"urlencode": url.QueryEscape,
		"urldecode": url.QueryUnescape,
		"b64enc":    func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"b64dec": func(s string) string {
			out, err := base64.StdEncoding.DecodeString(s)
			if err != nil {
				return err.Error()
			}
			return string(out)
		},
		"fromJson": func(s string) (any, error) {
			var v any
			err := json.Unmarshal([]byte(s), &v)
			return v, err
		},
		"bytes":            func(s string) (float64, error) { return parseBytes(s) },
		"duration":         durationSeconds,
		"duration_seconds": durationSeconds,
		"now":              time.Now,
		"date":             func(format string, t time.Time) string { return t.Format(format) },
		"toDate":           func(format, s string) (time.Time, error) { return time.Parse(format, s) },
		"toDateInZone": func(format, zone, s string) (time.Time, error) {
			loc, err := time.LoadLocation(zone)
			if err != nil {
				return time.Time{}, err
			}
			return time.ParseInLocation(format, s, loc)
		},
		"unixEpoch":       func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) },
		"unixEpochMillis": func(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) },
		"unixEpochNanos":  func(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) },
		"unixToTime":      unixToTime,
		"int":             func(v any) int { return int(number(v)) },
		"float64":         number,
		"add":             func(a, b any) int64 { return int64(number(a)) + int64(number(b)) },
		"sub":             func(a, b any) int64 { return int64(number(a)) - int64(number(b)) },
		"mul":             func(a, b any) int64 { return int64(number(a)) * int64(number(b)) },
		"div":             divide(func(a, b int64) int64 { return a / b }),
		"mod":             divide(func(a, b int64) int64 { return a % b }),
		"addf":            func(a, b any) float64 { return number(a) + number(b) },
		"subf":            func(a, b any) float64 { return number(a) - number(b) },
		"mulf":            func(a, b any) float64 { return number(a) * number(b) },
		"divf":            func(a, b any) float64 { return number(a) / number(b) },
		"max":             func(a, b any) int64 { return max(int64(number(a)), int64(number(b))) },
		"min":             func(a, b any) int64 { return min(int64(number(a)), int64(number(b))) },
		"maxf":            func(a, b any) float64 { return math.Max(number(a), number(b)) },
		"minf":            func(a, b any) float64 { return math.Min(number(a), number(b)) },
		"ceil":            func(a any) float64 { return math.Ceil(number(a)) },
		"floor":           func(a any) float64 { return math.Floor(number(a)) },
		"round": func(a any, places int) float64 {
			p := math.Pow10(places)
			return math.Round(number(a)*p) / p
		},
	}
}

func divide(fn func(a, b int64) int64) func(a, b any) (int64, error) {
	return func(a, b any) (int64, error) {
		d := int64(number(b))
		if d == 0 {
			return 0, errors.New("division by zero")
		}
		return fn(int64(number(a)), d), nil
	}
}

// number reads any value as a float; what is no number is 0.
func number(v any) float64 {
	switch v := v.(type) {
	case string:
		f, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return 0
		}
		return f
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case float64:
		return v
	case bool:
		if v {
			return 1
		}
	}
	return 0
}

func durationSeconds(s string) (float64, error) {
	d, err := parseDuration(s)
	return d.Seconds(), err
}

func unixToTime(s string) (time.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	switch len(s) {
	case 5:
		return time.Unix(0, 0).UTC().AddDate(0, 0, int(n)), nil
	case 10:
		return time.Unix(n, 0).UTC(), nil
	case 13:
		return time.UnixMilli(n).UTC(), nil
	case 16:
		return time.UnixMicro(n).UTC(), nil
	case 19:
		return time.Unix(0, n).UTC(), nil
	}
	return time.Time{}, fmt.Errorf("unable to parse time %q: use 5, 10, 13, 16 or 19 digits", s)
}

func title(s string) string {
	up := true
	return strings.Map(func(r rune) rune {
		c := r
		if up {
			c = []rune(strings.ToUpper(string(r)))[0]
		}
		up = r == ' ' || r == '\t' || r == '\n'
		return c
	}, s)
}

func repeat(n int, s string) (string, error) {
	if n < 0 || n*len(s) > maxTemplateBytes || n > maxTemplateBytes {
		return "", errTemplateSize
	}
	return strings.Repeat(s, n), nil
}

func trunc(n int, s string) string {
	r := []rune(s)
	switch {
	case n < 0 && len(r)+n > 0:
		return string(r[len(r)+n:])
	case n >= 0 && len(r) > n:
		return string(r[:n])
	}
	return s
}

func substr(start, end int, s string) string {
	r := []rune(s)
	start = max(0, start)
	if end < 0 || end > len(r) {
		end = len(r)
	}
	if start >= end {
		return ""
	}
	return string(r[start:end])
}

func indent(n int, s string) (string, error) {
	if n < 0 || n > maxWidth {
		return "", errWidth
	}
	pad := strings.Repeat(" ", n)
	return pad + strings.ReplaceAll(s, "\n", "\n"+pad), nil
}

func align(n int, s string, left bool) (string, error) {
	if n < 0 || n > maxWidth {
		return "", errWidth
	}
	have := utf8.RuneCountInString(s)
	r := []rune(s)
	switch {
	case have > n && left:
		return string(r[:n]), nil
	case have > n:
		return string(r[have-n:]), nil
	case left:
		return s + strings.Repeat(" ", n-have), nil
	}
	return strings.Repeat(" ", n-have) + s, nil
}
