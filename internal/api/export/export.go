// Package export streams stored records over HTTP: GET /api/export with signal
// (logs, traces), format (parquet, csv, jsonl), start, end and, for logs, query.
package export

import (
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"hinomi/internal/export"
	"hinomi/internal/model"
	"hinomi/internal/store"
)

// Path is where exports are.
const Path = "/api/export"

// MissingTrailer is the HTTP trailer that says how many parts of the store could
// not be read; without it the export is not whole.
const MissingTrailer = "Hinomi-Missing"

// Options of New.
type Options struct {
	Logs, Traces store.Scanner
	Scope        func(*http.Request) model.Scope
	Logger       *slog.Logger
	Now          func() time.Time
}

// New returns the handler.
func New(o Options) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(o, w, r) })
}

func serve(o Options, w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "use GET", http.StatusMethodNotAllowed)
		return
	}
	q := r.URL.Query()
	req := export.Request{Signal: q.Get("signal"), Format: q.Get("format"), To: o.Now().Add(24 * time.Hour).UnixNano()}
	var err error
	for name, to := range map[string]*int64{"start": &req.From, "end": &req.To} {
		if text := q.Get(name); text != "" && err == nil {
			*to, err = export.ParseTime(text)
		}
	}
	if err == nil {
		err = req.Validate()
	}
	from, scope := o.Logs, o.Scope(r)
	if req.Signal == export.Traces {
		from = o.Traces
	}
	if err == nil {
		req.Where, err = export.Where(r.Context(), from, scope, req, q.Get("query"))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", map[string]string{
		export.Parquet: "application/vnd.apache.parquet", export.CSV: "text/csv; charset=utf-8", export.JSONL: "application/x-ndjson",
	}[req.Format])
	w.Header().Set("Trailer", MissingTrailer)
	body := &tracked{w: w}
	stats, err := export.Write(r.Context(), from, scope, req, body)
	switch {
	case err == nil:
	case body.begun || r.Context().Err() != nil:
		if r.Context().Err() == nil {
			o.Logger.Error("an export broke off", "err", err)
		}
		// The answer has begun: only its end can say that it is not whole.
		panic(http.ErrAbortHandler)
	default:
		w.Header().Del("Trailer")
		http.Error(w, "export: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set(MissingTrailer, strconv.Itoa(stats.Quarantined+stats.Unreachable))
}

// tracked knows whether the answer has begun.
type tracked struct {
	w     http.ResponseWriter
	begun bool
}

func (t *tracked) Write(p []byte) (int, error) {
	t.begun = true
	return t.w.Write(p)
}
