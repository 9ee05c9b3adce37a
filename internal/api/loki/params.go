package loki

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/query/logql"
)

// Defaults of Loki's API.
const (
	defaultSince = time.Hour
	labelsSince  = 6 * time.Hour
	defaultLimit = 100
)

// maxFormBytes bounds the body of a query sent as a form.
const maxFormBytes = 1 << 20

func writeJSON(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	return json.NewEncoder(w).Encode(v)
}

// form parses the query string and, of a POST, the body.
func form(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	if err := r.ParseForm(); err != nil {
		return badRequest(err)
	}
	return nil
}

// parseTime reads nanoseconds, seconds (up to ten digits, or with a fraction)
// and RFC 3339.
func parseTime(s string, def time.Time) (time.Time, error) {
	if s == "" {
		return def, nil
	}
	if strings.ContainsAny(s, ".eE") {
		if f, err := strconv.ParseFloat(s, 64); err == nil && !math.IsNaN(f) && math.Abs(f) < math.MaxInt64/1e9 {
			sec, frac := math.Modf(f)
			return time.Unix(int64(sec), int64(math.Round(frac*1000)*1e6)), nil
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			return t, badRequest(fmt.Errorf("time %q is neither Unix nanoseconds, Unix seconds nor RFC 3339", s))
		}
		return t, nil
	}
	if len(s) <= 10 {
		return time.Unix(n, 0), nil
	}
	return time.Unix(0, n), nil
}

// parseDuration reads 5m or seconds.
func parseDuration(name, s string) (time.Duration, error) {
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		d := f * float64(time.Second)
		if d > math.MaxInt64/2 || d < math.MinInt64/2 || math.IsNaN(d) {
			return 0, badRequest(fmt.Errorf("cannot parse %s %q: it is out of range", name, s))
		}
		return time.Duration(d), nil
	}
	d, err := model.ParseDuration(s)
	if err != nil {
		return 0, badRequest(fmt.Errorf("cannot parse %s %q: write a duration such as 30s or a number of seconds", name, s))
	}
	return time.Duration(d), nil
}

// bounds reads start, end and since.
func (a *API) bounds(r *http.Request, since time.Duration) (start, end time.Time, err error) {
	now := a.o.Now()
	if end, err = parseTime(r.Form.Get("end"), now); err != nil {
		return start, end, err
	}
	if s := r.Form.Get("since"); s != "" {
		if since, err = parseDuration("since", s); err != nil {
			return start, end, err
		}
	}
	base := end
	if base.After(now) {
		base = now
	}
	if start, err = parseTime(r.Form.Get("start"), base.Add(-since)); err != nil {
		return start, end, err
	}
	if start.After(end) {
		return start, end, badRequest(errors.New("end timestamp must not be before or equal to start time"))
	}
	return start, end, nil
}

// rangeRequest reads the parameters of query_range.
func (a *API) rangeRequest(r *http.Request) (logql.Request, error) {
	q := logql.Request{Query: r.Form.Get("query")}
	var err error
	if q.Start, q.End, err = a.bounds(r, defaultSince); err != nil {
		return q, err
	}
	if q.Limit, q.Forward, err = a.limits(r); err != nil {
		return q, err
	}
	if q.Step, err = stepParam(r, q.End.Sub(q.Start)); err != nil {
		return q, err
	}
	if s := r.Form.Get("interval"); s != "" {
		if q.Interval, err = parseDuration("interval", s); err != nil {
			return q, err
		}
		if q.Interval < 0 {
			return q, badRequest(errors.New("interval must be >= 0"))
		}
	}
	return q, nil
}

// stepParam reads the step of a range; the default gives about 250 points.
func stepParam(r *http.Request, rng time.Duration) (time.Duration, error) {
	s := r.Form.Get("step")
	if s == "" {
		return time.Duration(max(1, math.Floor(rng.Seconds()/250))) * time.Second, nil
	}
	step, err := parseDuration("step", s)
	if err == nil && step <= 0 {
		err = badRequest(errors.New("zero or negative query resolution step widths are not accepted. Try a positive integer"))
	}
	return step, err
}

// countParam reads a whole number greater than 0.
func countParam(r *http.Request, name string, def, most int) (int, error) {
	s := r.Form.Get(name)
	if s == "" {
		return def, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n <= 0 {
		return 0, badRequest(fmt.Errorf("%s must be a whole number greater than 0, got %q", name, s))
	}
	return min(n, most), nil
}

func (a *API) limits(r *http.Request) (limit int, forward bool, err error) {
	limit = defaultLimit
	if s := r.Form.Get("limit"); s != "" {
		if limit, err = strconv.Atoi(s); err != nil {
			return 0, false, badRequest(fmt.Errorf("limit %q is not a number", s))
		}
		if limit <= 0 {
			return 0, false, badRequest(errors.New("limit must be a positive value"))
		}
		if m := a.o.Engine.MaxEntries(); limit > m {
			return 0, false, badRequest(fmt.Errorf("max entries limit per query exceeded, limit > max_entries_limit_per_query (%d > %d)", limit, m))
		}
	}
	switch d := strings.ToLower(r.Form.Get("direction")); d {
	case "", "backward":
	case "forward":
		forward = true
	default:
		return 0, false, badRequest(fmt.Errorf("invalid direction %q: use forward or backward", d))
	}
	return limit, forward, nil
}

// selector reads an optional selector.
func selector(text string) ([]*labels.Matcher, error) {
	if text == "" || text == "{}" {
		return nil, nil
	}
	return logql.ParseMatchers(text)
}
