package tempo

import (
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"hinomi/internal/api/apierr"
	"hinomi/internal/query/traceql"
)

// metricsSince is the range of a metrics query that names none, as in Tempo.
const metricsSince = time.Hour

// metricsResponse is the answer to a metrics query with series of one kind.
type metricsResponse[S rangeSeries | instantSeries] struct {
	Series  []S           `json:"series"`
	Metrics searchMetrics `json:"metrics"`
	Status  string        `json:"status,omitempty"`
	Message string        `json:"message,omitempty"`
}

type rangeSeries struct {
	Labels    []attribute `json:"labels,omitempty"`
	Samples   []sample    `json:"samples"`
	Exemplars []exemplar  `json:"exemplars,omitempty"`
}

type sample struct {
	Ts    string `json:"timestampMs"`
	Value any    `json:"value,omitempty"`
}

type exemplar struct {
	Labels []attribute `json:"labels,omitempty"`
	Value  any         `json:"value,omitempty"`
	Ts     string      `json:"timestampMs"`
}

type instantSeries struct {
	Labels []attribute `json:"labels,omitempty"`
	Value  any         `json:"value,omitempty"`
}

// zeroless is a float as protobuf's JSON has it: nothing for 0.
func zeroless(v float64) any {
	if v == 0 {
		return nil
	}
	return jsonFloat(v)
}

func (a *API) queryRange(w http.ResponseWriter, r *http.Request) error {
	return answerMetrics(a, w, r, false, rangeWire, func(res *traceql.MetricsResult, s *traceql.Series) rangeSeries {
		out := rangeSeries{Labels: attributesOf(s.Labels), Samples: []sample{}}
		for k, v := range s.Values {
			if !math.IsNaN(v) {
				out.Samples = append(out.Samples, sample{strconv.FormatInt(res.Times[k], 10), zeroless(v)})
			}
		}
		for _, e := range s.Exemplars {
			out.Exemplars = append(out.Exemplars, exemplar{attributesOf(e.Labels), zeroless(e.Value), strconv.FormatInt(e.Ts, 10)})
		}
		return out
	})
}

func (a *API) queryInstant(w http.ResponseWriter, r *http.Request) error {
	return answerMetrics(a, w, r, true, instantWire, func(_ *traceql.MetricsResult, s *traceql.Series) instantSeries {
		return instantSeries{attributesOf(s.Labels), zeroless(s.Values[0])}
	})
}

// answerMetrics answers a metrics query in protobuf or in JSON, for which render
// makes what stands for a series.
func answerMetrics[S rangeSeries | instantSeries](a *API, w http.ResponseWriter, r *http.Request, instant bool,
	proto func(traceql.MetricsResult) message, render func(*traceql.MetricsResult, *traceql.Series) S,
) error {
	req, err := a.metricsRequest(r.URL.Query(), instant)
	if err != nil {
		return err
	}
	res, err := a.o.Engine.Metrics(r.Context(), a.o.Scope(r), req)
	if err != nil {
		return err
	}
	if wantsProtobuf(r) {
		return writeProto(w, proto(res))
	}
	out := metricsResponse[S]{Series: []S{}, Metrics: metricsOf(res.Stats).done(res.Partial)}
	out.Status, out.Message = partialStatus(res.Partial, res.Message)
	for i := range res.Series {
		out.Series = append(out.Series, render(&res, &res.Series[i]))
	}
	return writeJSON(w, out)
}

func partialStatus(partial bool, message string) (status, text string) {
	if !partial {
		return "", ""
	}
	return "PARTIAL", message
}

// metricsRequest reads q (or query), start, end, since, step, exemplars and
// maxSeries.
func (a *API) metricsRequest(q url.Values, instant bool) (traceql.MetricsRequest, error) {
	req := traceql.MetricsRequest{Query: q.Get("query"), Instant: instant}
	if s := q.Get("q"); s != "" {
		req.Query = s
	}
	var err error
	if req.Start, req.End, err = metricsBounds(q, a.o.Now()); err != nil {
		return req, err
	}
	if req.Step, err = stepOf(q.Get("step"), req.Start, req.End); err != nil {
		return req, err
	}
	for name, dst := range map[string]*int{"exemplars": &req.Exemplars, "maxSeries": &req.MaxSeries} {
		// Tempo reads nothing into a number that is none.
		if n, err := strconv.ParseUint(q.Get(name), 10, 31); err == nil {
			*dst = int(n)
		}
	}
	if b, err := strconv.ParseBool(q.Get("instant")); err == nil {
		req.Instant = b
	}
	return req, nil
}

func metricsBounds(q url.Values, now time.Time) (start, end time.Time, err error) {
	since := metricsSince
	if s := q.Get("since"); s != "" {
		d, err := model.ParseDuration(s)
		if err != nil {
			return start, end, apierr.BadRequest("could not parse 'since' parameter: %w", err)
		}
		since = time.Duration(d)
	}
	if end, err = timestamp(q.Get("end"), now); err != nil {
		return start, end, apierr.BadRequest("could not parse 'end' parameter: %w", err)
	}
	from := end
	if end.After(now) {
		from = now
	}
	if start, err = timestamp(q.Get("start"), from.Add(-since)); err != nil {
		return start, end, apierr.BadRequest("could not parse 'start' parameter: %w", err)
	}
	return start, end, nil
}

// timestamp reads Unix seconds, with a fraction or without, Unix nanoseconds or
// RFC 3339.
func timestamp(s string, def time.Time) (time.Time, error) {
	if s == "" {
		return def, nil
	}
	if strings.Contains(s, ".") {
		if f, err := strconv.ParseFloat(s, 64); err == nil && f >= 0 && f < math.MaxInt64/1e9 {
			sec, frac := math.Modf(f)
			return time.Unix(int64(sec), int64(math.Round(frac*1000)*1e6)), nil
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t, terr := time.Parse(time.RFC3339Nano, s)
		if terr != nil {
			return def, err
		}
		return t, nil
	}
	if len(s) <= 10 {
		return time.Unix(n, 0), nil
	}
	return time.Unix(0, n), nil
}

// stepOf reads seconds or a duration. Without one it is chosen so that an hour
// has 240 points, as Tempo does.
func stepOf(s string, start, end time.Time) (time.Duration, error) {
	if s == "" {
		return defaultStep(end.Sub(start)), nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		d := f * float64(time.Second)
		if math.IsNaN(d) || d > math.MaxInt64 || d < math.MinInt64 {
			return 0, apierr.BadRequest("cannot parse %q to a valid duration. It overflows int64", s)
		}
		if d < 0 {
			return 0, apierr.BadRequest("cannot parse %q: step must be positive", s)
		}
		return time.Duration(d), nil
	}
	d, err := model.ParseDuration(s)
	if err != nil {
		return 0, apierr.BadRequest("cannot parse %q to a valid duration", s)
	}
	return time.Duration(d), nil
}

func defaultStep(span time.Duration) time.Duration {
	base := span / 240
	if span < time.Minute {
		const fine = 50 * time.Millisecond
		return max(fine, base/fine*fine)
	}
	for _, g := range []time.Duration{time.Hour, 5 * time.Minute, time.Minute, 15 * time.Second, 5 * time.Second, time.Second} {
		if base > g {
			return base / g * g
		}
	}
	return time.Second
}
