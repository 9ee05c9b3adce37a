package tracestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"hinomi/internal/model"
	"hinomi/internal/store"
	"hinomi/internal/store/columnar"
)

// SamplingPolicy says which share of the stored traces stays once they are
// Grace old. The largest share that applies to a trace counts. Shares are of what
// was there before any head sampling: where the tracestate says that a trace was
// sampled at 10 % already, a share of 5 % keeps every second of those.
type SamplingPolicy struct {
	Grace time.Duration
	// Default is the share of traces to which nothing else applies.
	Default float64
	// Services replace the default for spans of the services that match, by the
	// first that does; of a trace's spans the largest counts.
	Services []ServiceShare
	// Errors is the share of traces with a span of status error.
	Errors float64
	// Slow is by the duration of a trace's longest span.
	Slow []SlowShare
	// Keep, if set, tells of traces that stay in any case. It is called often.
	Keep func(traceID [16]byte) bool
}

// ServiceShare is a share for services whose name matches a pattern, in which *
// stands for any text.
type ServiceShare struct {
	Pattern string
	Share   float64
}

// SlowShare is a share for traces with a span that takes at least Over.
type SlowShare struct {
	Over  time.Duration
	Share float64
}

func (p *SamplingPolicy) validate() error {
	share := func(what string, x float64) error {
		if !(x >= 0 && x <= 1) {
			return fmt.Errorf("sampling: the share %s is %g: use 0 to 1", what, x)
		}
		return nil
	}
	errs := []error{share("of the rest", p.Default), share("of errors", p.Errors)}
	for _, s := range p.Services {
		errs = append(errs, share("of "+s.Pattern, s.Share))
	}
	for _, s := range p.Slow {
		errs = append(errs, share("of slow traces", s.Share))
		if s.Over <= 0 {
			errs = append(errs, errors.New("sampling: a slow trace takes more than 0"))
		}
	}
	if p.Grace <= 0 {
		errs = append(errs, errors.New("sampling: the grace must be more than 0"))
	}
	return errors.Join(errs...)
}

// Positions of the columns that a pass reads.
const (
	samTrace = iota
	samService
	samDuration
	samStatus
	samState
	samWeight
)

// NewSampler makes the policy something that the table can apply.
func NewSampler(p SamplingPolicy) (*columnar.Sampler, error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	services := make([]servicePattern, len(p.Services))
	for i, s := range p.Services {
		services[i] = servicePattern{globPattern(s.Pattern), s.Share}
	}
	telling := p.telling(services)
	return &columnar.Sampler{
		GroupBy: store.ColTraceID, Weight: store.ColWeight, Grace: p.Grace, Telling: telling,
		Columns: []store.ColumnRef{
			samTrace: store.Col(store.ColTraceID), samService: store.Col(store.ColService), samDuration: store.Col(store.ColDuration),
			samStatus: store.Col(store.ColStatus), samState: store.Col(store.ColTraceState), samWeight: store.Col(store.ColWeight),
		},
		Pass: func() columnar.SamplerPass {
			return &samplingPass{policy: &p, services: services, all: telling == nil, traces: map[[16]byte]*evidence{}}
		},
	}, nil
}

type servicePattern struct {
	re    *regexp.Regexp
	share float64
}

// globPattern compiles a pattern in which * stands for any text.
func globPattern(pattern string) *regexp.Regexp {
	parts := strings.Split(pattern, "*")
	for i, p := range parts {
		parts[i] = regexp.QuoteMeta(p)
	}
	return regexp.MustCompile(`^(?s:` + strings.Join(parts, ".*") + `)$`)
}

// telling selects the spans that can raise the share of their trace, or that
// tell how it was sampled before.
func (p *SamplingPolicy) telling(services []servicePattern) store.Pred {
	out := store.Or{
		store.Cmp{Col: store.Col(store.ColWeight), Op: store.Gt, Val: store.Float(0)},
		store.Cmp{Col: store.Col(store.ColStatus), Op: store.Eq, Val: store.Int(statusError)},
		store.Contains{Col: store.Col(store.ColTraceState), Sub: "th:"},
	}
	if len(p.Slow) > 0 {
		least := p.Slow[0].Over
		for _, s := range p.Slow {
			least = min(least, s.Over)
		}
		out = append(out, store.Cmp{Col: store.Col(store.ColDuration), Op: store.Ge, Val: store.Int(int64(least))})
	}
	for _, s := range services {
		if s.share < p.Default {
			// A span of any other service tells that the default applies.
			return nil
		}
		out = append(out, store.Match{Col: store.Col(store.ColService), Re: s.re})
	}
	return out
}

const statusError = 2

// evidence is what is known of a trace. It does not grow with the trace.
type evidence struct {
	longest time.Duration
	base    float64 // largest share by service of the spans that were seen
	head    float64 // least probability of head sampling, 0: not known
	stored  float64 // largest probability at which spans of it were kept before
	err     bool
	seen    bool
}

// samplingPass implements columnar.SamplerPass.
type samplingPass struct {
	policy   *SamplingPolicy
	services []servicePattern
	traces   map[[16]byte]*evidence
	all      bool               // every span is noted
	shares   map[string]float64 // by service
	heads    map[string]float64 // by tracestate
}

// Expect implements columnar.SamplerPass.
func (s *samplingPass) Expect(ids *store.Vec, n int) {
	var last string
	for i := range n {
		id := ids.Str(i)
		if i > 0 && id == last {
			continue
		}
		last = id
		if key := [16]byte(traceID(id)); s.traces[key] == nil {
			s.traces[key] = &evidence{}
		}
	}
}

// Note implements columnar.SamplerPass.
func (s *samplingPass) Note(b *store.Batch) {
	for i := range b.N {
		e := s.traces[traceID(b.Cols[samTrace].Str(i))]
		if e == nil {
			continue
		}
		e.longest = max(e.longest, time.Duration(b.Cols[samDuration].Value(i).Int))
		e.err = e.err || b.Cols[samStatus].Value(i).Int == statusError
		e.base = max(e.base, s.share(b.Cols[samService].Str(i)))
		head := s.head(b.Cols[samState].Str(i))
		if e.head == 0 || head < e.head {
			e.head = head
		}
		if w := b.Cols[samWeight].Value(i).Flt; w > 0 {
			e.stored = max(e.stored, min(1, 1/(w*head)))
		}
		e.seen = true
	}
}

// share is the share of traces with nothing but spans of a service.
func (s *samplingPass) share(service string) float64 {
	if x, ok := s.shares[service]; ok {
		return x
	}
	x := s.policy.Default
	for _, p := range s.services {
		if p.re.MatchString(service) {
			x = p.share
			break
		}
	}
	if s.shares == nil {
		s.shares = map[string]float64{}
	}
	s.shares[strings.Clone(service)] = x
	return x
}

// head is the probability at which a span was sampled before it came here.
func (s *samplingPass) head(state string) float64 {
	if state == "" {
		return 1
	}
	if x, ok := s.heads[state]; ok {
		return x
	}
	x := model.HeadProbability(state)
	if len(s.heads) < maxStates {
		if s.heads == nil {
			s.heads = map[string]float64{}
		}
		s.heads[strings.Clone(state)] = x
	}
	return x
}

// maxStates bounds the tracestates remembered: they may carry ids.
const maxStates = 4096

// Weights implements columnar.SamplerPass.
func (s *samplingPass) Weights(b *store.Batch, weights []float64) {
	var last string
	keep := float64(0)
	for i := range b.N {
		if w := b.Cols[samWeight].Value(i).Flt; w > 0 {
			weights[i] = w // Decided before.
			continue
		}
		if id := b.Cols[samTrace].Str(i); i == 0 || id != last {
			last = id
			keep = s.keep([16]byte(traceID(id)))
		}
		if keep > 0 {
			weights[i] = 1 / (keep * s.head(b.Cols[samState].Str(i)))
		}
	}
}

// keep returns the probability at which the spans of a trace stay that are
// there, 0 when they leave.
func (s *samplingPass) keep(id [16]byte) float64 {
	e := s.traces[id]
	if e == nil {
		return 1 // Nobody asked about it: it is not lost.
	}
	if s.policy.Keep != nil && s.policy.Keep(id) {
		return 1
	}
	share := e.base
	if !s.all || !e.seen {
		share = max(share, s.policy.Default)
	}
	if e.err {
		share = max(share, s.policy.Errors)
	}
	for _, slow := range s.policy.Slow {
		if e.longest >= slow.Over {
			share = max(share, slow.Share)
		}
	}
	if e.head > 0 {
		share = min(1, share/e.head)
	}
	// Spans that came late follow those that were kept.
	share = max(share, e.stored)
	if fraction(id) >= share {
		return 0
	}
	return share
}

// fraction maps a trace id to [0, 1), evenly and always the same.
func fraction(id [16]byte) float64 {
	// The finalizer of splitmix64: ids need not be random in any of their bits.
	x := binary.BigEndian.Uint64(id[:8])*0x9e3779b97f4a7c15 ^ binary.BigEndian.Uint64(id[8:])
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	x ^= x >> 31
	return float64(x>>11) / (1 << 53)
}
