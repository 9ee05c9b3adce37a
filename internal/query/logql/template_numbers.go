package logql

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	texttemplate "text/template"
	"time"
)

// numberFuncs are the mathematical functions of templates. What is no number
// counts as 0. Those of integers cut fractions off.
func numberFuncs() texttemplate.FuncMap {
	return texttemplate.FuncMap{
		"int":     func(v any) int { return int(integer(v)) },
		"float64": number,
		"add": func(v ...any) int64 {
			return foldNumbers(0, v, integer, func(a, b int64) int64 { return a + b })
		},
		"sub": func(a, b any) int64 { return integer(a) - integer(b) },
		"mul": func(a any, v ...any) int64 {
			return foldNumbers(integer(a), v, integer, func(a, b int64) int64 { return a * b })
		},
		"div": divide(func(a, b int64) int64 { return a / b }),
		"mod": divide(func(a, b int64) int64 { return a % b }),
		"addf": func(v ...any) float64 {
			return foldNumbers(0, v, number, func(a, b float64) float64 { return a + b })
		},
		"subf": func(a any, v ...any) float64 {
			return foldNumbers(number(a), v, number, func(a, b float64) float64 { return a - b })
		},
		"mulf": func(a any, v ...any) float64 {
			return foldNumbers(number(a), v, number, func(a, b float64) float64 { return a * b })
		},
		"divf": func(a any, v ...any) float64 {
			return foldNumbers(number(a), v, number, func(a, b float64) float64 { return a / b })
		},
		"max": func(a any, v ...any) int64 {
			return foldNumbers(integer(a), v, integer, func(a, b int64) int64 { return max(a, b) })
		},
		"min": func(a any, v ...any) int64 {
			return foldNumbers(integer(a), v, integer, func(a, b int64) int64 { return min(a, b) })
		},
		"maxf":  func(a any, v ...any) float64 { return foldNumbers(number(a), v, number, math.Max) },
		"minf":  func(a any, v ...any) float64 { return foldNumbers(number(a), v, number, math.Min) },
		"ceil":  func(a any) float64 { return math.Ceil(number(a)) },
		"floor": func(a any) float64 { return math.Floor(number(a)) },
		"round": round,
		"bytes": parseBytes, "duration": durationSeconds, "duration_seconds": durationSeconds,
	}
}

func foldNumbers[T any](first T, rest []any, read func(any) T, fn func(a, b T) T) T {
	for _, v := range rest {
		first = fn(first, read(v))
	}
	return first
}

func divide(fn func(a, b int64) int64) func(a, b any) (int64, error) {
	return func(a, b any) (int64, error) {
		d := integer(b)
		if d == 0 {
			return 0, errors.New("runtime error: integer divide by zero")
		}
		return fn(integer(a), d), nil
	}
}

// round rounds to a number of decimal places; a last digit of at least roundOn
// (0.5 when not given) of a place rounds up.
func round(a any, places int, roundOn ...float64) float64 {
	on := 0.5
	if len(roundOn) > 0 {
		on = roundOn[0]
	}
	p := math.Pow(10, float64(places))
	digit := p * number(a)
	if _, frac := math.Modf(digit); frac >= on {
		return math.Ceil(digit) / p
	}
	return math.Floor(digit) / p
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

// integer reads any value as an integer, a text in any base that Go writes.
func integer(v any) int64 {
	s, ok := v.(string)
	if !ok {
		return int64(number(v))
	}
	if whole, rest, ok := strings.Cut(s, "."); ok && strings.Trim(rest, "0123456789") == "" {
		s = whole
	}
	n, err := strconv.ParseInt(s, 0, 64)
	if err != nil {
		return 0
	}
	return n
}

func durationSeconds(s string) (float64, error) {
	d, err := time.ParseDuration(s)
	return d.Seconds(), err
}

// unixToTime reads days, seconds, milliseconds, microseconds or nanoseconds since
// 1970, told apart by the number of digits.
func unixToTime(s string) (time.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("unable to parse time '%v': %w", s, err)
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
	return time.Time{}, fmt.Errorf("unable to parse time '%v': use 5, 10, 13, 16 or 19 digits", s)
}
