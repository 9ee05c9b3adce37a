package logql

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	texttemplate "text/template"
	"time"
	"unicode"
	"unicode/utf8"
)

var errWidth = errors.New("width is larger than 10000")

const maxWidth = 10000

// wideFormat finds printf widths that would write megabytes.
var wideFormat = regexp.MustCompile(`\d{5,}|\*`)

// templateFuncs are the functions that LogQL's documentation names. Times without a
// zone are UTC, whatever the zone of the machine.
func templateFuncs() texttemplate.FuncMap {
	out := texttemplate.FuncMap{
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
		"default":    orDefault,
		"printf": func(format string, args ...any) (string, error) {
			if wideFormat.MatchString(format) {
				return "", errWidth
			}
			return fmt.Sprintf(format, args...), nil
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
		"fromJson": func(s string) any {
			var v any
			if json.Unmarshal([]byte(s), &v) != nil {
				return nil
			}
			return v
		},
	}
	maps.Copy(out, numberFuncs())
	maps.Copy(out, timeFuncs())
	maps.Copy(out, regexpFuncs())
	return out
}

func timeFuncs() texttemplate.FuncMap {
	return texttemplate.FuncMap{
		"now":    func() time.Time { return time.Now().UTC() },
		"date":   formatDate,
		"toDate": func(format, s string) time.Time { return parseDate(format, "UTC", s) },
		"toDateInZone": func(format, zone, s string) time.Time {
			return parseDate(format, zone, s)
		},
		"unixEpoch":       func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) },
		"unixEpochMillis": func(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) },
		"unixEpochNanos":  func(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) },
		"unixToTime":      unixToTime,
	}
}

// formatDate writes a time, or a number of seconds since 1970.
func formatDate(format string, v any) string {
	switch v := v.(type) {
	case time.Time:
		return v.UTC().Format(format)
	case int64, int:
		return time.Unix(integer(v), 0).UTC().Format(format)
	}
	return time.Now().UTC().Format(format)
}

// parseDate reads a time; the zero time when it cannot.
func parseDate(format, zone, s string) time.Time {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		loc = time.UTC
	}
	t, err := time.ParseInLocation(format, s, loc)
	if err != nil {
		return time.Time{}
	}
	return t
}

// maxPatterns bounds the regular expressions that one template remembers: they may
// come from labels.
const maxPatterns = 100

// regexpFuncs compile each expression once for a template.
func regexpFuncs() texttemplate.FuncMap {
	known := map[string]*regexp.Regexp{}
	compile := func(text string) (*regexp.Regexp, error) {
		if re, ok := known[text]; ok {
			return re, nil
		}
		re, err := regexp.Compile(text)
		if err == nil && len(known) < maxPatterns {
			known[strings.Clone(text)] = re
		}
		return re, err
	}
	return texttemplate.FuncMap{
		"regexReplaceAll": func(re, s, repl string) (string, error) {
			r, err := compile(re)
			if err != nil {
				return "", err
			}
			return r.ReplaceAllString(s, repl), nil
		},
		"regexReplaceAllLiteral": func(re, s, repl string) (string, error) {
			r, err := compile(re)
			if err != nil {
				return "", err
			}
			return r.ReplaceAllLiteralString(s, repl), nil
		},
		"count": func(re, s string) (int, error) {
			r, err := compile(re)
			if err != nil {
				return 0, err
			}
			return len(r.FindAllStringIndex(s, -1)), nil
		},
	}
}

// orDefault is d when the value is missing, empty, zero or false.
func orDefault(d any, given ...any) any {
	if len(given) == 0 {
		return d
	}
	if truth, ok := texttemplate.IsTrue(given[0]); !ok || !truth {
		return d
	}
	return given[0]
}

func title(s string) string {
	prev := ' '
	return strings.Map(func(r rune) rune {
		begins := !unicode.IsLetter(prev) && !unicode.IsDigit(prev) && prev != '_'
		prev = r
		if begins {
			return unicode.ToTitle(r)
		}
		return r
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
	switch {
	case start < 0:
		start, end = 0, max(end, 0)
	case end < 0:
		end = len(r)
	}
	end = min(end, len(r))
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
	if n > maxWidth {
		return "", errWidth
	}
	have := utf8.RuneCountInString(s)
	if n < 0 || n == have {
		return s, nil
	}
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
