package jaeger

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"hinomi/internal/api/apierr"
	"hinomi/internal/model"
	"hinomi/internal/store"
)

// around is how far from the asked time spans of a trace may lie.
const around = 24 * time.Hour

// traceID reads up to 32 hex digits; leading zeros may be missing. Version 3 also
// knows base64.
func traceID(s string) (id [16]byte, err error) {
	if s != "" && len(s) <= 32 {
		if b, err := hex.DecodeString(strings.Repeat("0", 32-len(s)) + s); err == nil {
			copy(id[:], b)
			return id, nil
		}
	}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
		if b, err := enc.DecodeString(s); err == nil && len(b) == len(id) {
			copy(id[:], b)
			return id, nil
		}
	}
	return id, apierr.BadRequest("strconv.ParseUint: parsing %q: invalid trace id: give up to 32 hex digits", s)
}

// find searches and reads the traces whole, newest first.
func (a *API) find(ctx context.Context, scope model.Scope, q query) ([]ptrace.Traces, bool, error) {
	res, err := a.o.Engine.Search(ctx, scope, q.request())
	if err != nil {
		return nil, false, err
	}
	out := make([]ptrace.Traces, 0, len(res.Traces))
	partial := res.Partial
	for _, f := range res.Traces {
		id, err := traceID(f.TraceID)
		if err != nil {
			return nil, false, err
		}
		td, stats, err := a.o.Store.Trace(ctx, scope, id, f.Start-int64(around), f.Start+f.Duration+int64(around))
		if errors.Is(err, store.ErrNotFound) {
			continue // retention took it meanwhile
		}
		if err != nil {
			return nil, false, fmt.Errorf("read trace %s: %w", f.TraceID, err)
		}
		partial = partial || stats.Incomplete()
		out = append(out, td)
	}
	return out, partial, nil
}

// partialText says that an answer lacks something, where the UI shows errors.
const partialText = "the query budget was used up or parts of the store are damaged: traces may be missing"

func (a *API) search(w http.ResponseWriter, r *http.Request) error {
	p := r.URL.Query()
	if ids := p["traceID"]; len(ids) > 0 {
		return a.byIDs(w, r, ids)
	}
	q, err := a.parseQuery(p)
	if err != nil {
		return err
	}
	raw, err := boolean(p.Get("raw"), "raw")
	if err != nil {
		return err
	}
	if !q.start.Before(q.end) {
		writeJSON(w, http.StatusOK, response{Data: []trace{}})
		return nil
	}
	list, partial, err := a.find(r.Context(), a.o.Scope(r), q)
	if err != nil {
		return err
	}
	res := response{Data: traces(list, raw)}
	if partial {
		res.Errors = []responseError{{Msg: partialText}}
	}
	writeJSON(w, http.StatusOK, res)
	return nil
}

func traces(list []ptrace.Traces, raw bool) []trace {
	out := make([]trace, len(list))
	for i, td := range list {
		out[i] = convert(td, raw)
	}
	return out
}

func boolean(s, name string) (bool, error) {
	if s == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(s)
	if err != nil {
		return false, badParam(name, err)
	}
	return b, nil
}

// byIDs answers the traces that there are; the others are errors of the answer.
func (a *API) byIDs(w http.ResponseWriter, r *http.Request, ids []string) error {
	raw, err := boolean(r.URL.Query().Get("raw"), "raw")
	if err != nil {
		return err
	}
	res := response{}
	var list []ptrace.Traces
	for _, s := range ids {
		id, err := traceID(s)
		if err != nil {
			return apierr.BadRequest("cannot parse traceID param: %w", err)
		}
		td, _, err := a.o.Store.Trace(r.Context(), a.o.Scope(r), id, 0, 0)
		if errors.Is(err, store.ErrNotFound) {
			res.Errors = append(res.Errors, responseError{Msg: notFound, TraceID: traceIDText(id)})
			continue
		}
		if err != nil {
			return err
		}
		list = append(list, td)
	}
	res.Data = traces(list, raw)
	writeJSON(w, http.StatusOK, res)
	return nil
}

func (a *API) trace(w http.ResponseWriter, r *http.Request) error {
	p := r.URL.Query()
	id, err := traceID(r.PathValue("id"))
	if err != nil {
		return err
	}
	raw, err := boolean(p.Get("raw"), "raw")
	if err != nil {
		return err
	}
	var from, to int64
	if p.Get("start") != "" && p.Get("end") != "" {
		start, err1 := microseconds(p, "start", time.Time{})
		end, err2 := microseconds(p, "end", time.Time{})
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		from, to = start.Add(-around).UnixNano(), end.Add(around).UnixNano()
	}
	td, _, err := a.o.Store.Trace(r.Context(), a.o.Scope(r), id, from, to)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, response{Data: traces([]ptrace.Traces{td}, raw)})
	return nil
}

// dependencyLookback is Jaeger's default.
const dependencyLookback = 24 * time.Hour

func (a *API) dependencies(w http.ResponseWriter, r *http.Request) error {
	p := r.URL.Query()
	end, err := milliseconds(p, "endTs", a.o.Now().UnixMilli())
	if err != nil {
		return err
	}
	lookback, err := milliseconds(p, "lookback", dependencyLookback.Milliseconds())
	if err != nil {
		return err
	}
	if lookback <= 0 || lookback > end {
		return apierr.BadRequest("unable to parse param 'lookback': %d ms is not between 0 and endTs", lookback)
	}
	links, err := a.o.Dependencies(r, time.UnixMilli(end-lookback), time.UnixMilli(end))
	if err != nil {
		return fmt.Errorf("count calls between services: %w", err)
	}
	out := []Link{}
	for _, l := range links {
		if s := p.Get("service"); s == "" || l.Parent == s || l.Child == s {
			out = append(out, l)
		}
	}
	writeJSON(w, http.StatusOK, response{Data: out})
	return nil
}
