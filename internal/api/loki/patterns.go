package loki

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/api/apierr"
	"hinomi/internal/model"
)

// PatternsRequest asks for the message patterns of the streams that Selector matches,
// counted in intervals of Step in [From, To) ns.
type PatternsRequest struct {
	Selector []*labels.Matcher
	From, To int64
	Step     time.Duration
}

// Pattern is a message template, <_> standing for what varies, with its counts.
type Pattern struct {
	Text    string
	Level   string // trace debug info warn error fatal unknown
	Samples []PatternSample
}

// PatternSample is how many lines of a pattern came in the interval that begins at Ts.
type PatternSample struct {
	Ts    int64 // Unix ns
	Lines int64
}

// PatternsFunc lists the patterns of streams, the most frequent first.
type PatternsFunc func(context.Context, model.Scope, PatternsRequest) ([]Pattern, error)

// minPatternStep is the shortest interval that patterns are counted in, as in Loki.
const minPatternStep = 10 * time.Second

func (a *API) patterns(w http.ResponseWriter, r *http.Request) error {
	if a.o.Patterns == nil {
		return &apierr.Error{Code: http.StatusNotFound, Err: errors.New("log patterns are not collected here")}
	}
	from, to, sel, err := a.labelRange(w, r)
	if err != nil {
		return err
	}
	if len(sel) == 0 {
		return badRequest(errors.New("query is required, for example {service_name=\"gateway\"}"))
	}
	step, err := stepParam(r, time.Duration(to-from))
	if err != nil {
		return err
	}
	found, err := a.o.Patterns(r.Context(), a.o.Scope(r), PatternsRequest{Selector: sel, From: from, To: to, Step: max(step, minPatternStep)})
	if err != nil {
		return err
	}
	type series struct {
		Pattern string     `json:"pattern"`
		Level   string     `json:"level"`
		Samples [][2]int64 `json:"samples"`
	}
	out := make([]series, len(found))
	for i, p := range found {
		out[i] = series{p.Text, p.Level, make([][2]int64, len(p.Samples))}
		for k, s := range p.Samples {
			out[i].Samples[k] = [2]int64{s.Ts / 1e9, s.Lines}
		}
	}
	return writeJSON(w, listResponse{"success", out})
}
