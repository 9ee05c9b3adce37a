package app

import (
	"fmt"
	"regexp"
	"strings"

	"hinomi/internal/config"
	"hinomi/internal/store"
	"hinomi/internal/store/columnar"
	"hinomi/internal/store/tracestore"
)

// resourceTeam is the resource attribute by which retention rules tell teams apart.
const resourceTeam = "team"

// textIs compares a column with a pattern in which * stands for any text.
func textIs(col store.ColumnRef, pattern string) store.Pred {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return store.Cmp{Col: col, Op: store.Eq, Val: store.Str(pattern)}
	}
	for i, p := range parts {
		parts[i] = regexp.QuoteMeta(p)
	}
	return store.Match{Col: col, Re: regexp.MustCompile(`^(?s:` + strings.Join(parts, ".*") + `)$`)}
}

// logPolicy says which log records leave the store.
func logPolicy(cfg *config.Logs) columnar.Policy {
	p := columnar.Policy{MaxBytes: int64(cfg.MaxBytes)}
	for _, r := range cfg.RetentionRules {
		match := store.And{}
		if r.Match.Service != "" {
			match = append(match, textIs(store.Col(store.ColService), r.Match.Service))
		}
		if r.Match.Team != "" {
			match = append(match, textIs(store.ColumnRef{Scope: store.Resource, Name: resourceTeam}, r.Match.Team))
		}
		if len(r.Match.Level) > 0 {
			match = append(match, store.In{Col: store.Col(store.ColLevel), Texts: r.Match.Level})
		}
		p.Rules = append(p.Rules, columnar.RetentionRule{Match: match, Keep: r.Keep.D()})
	}
	return p
}

// tracePolicy says which spans leave the store. keep tells of traces that stay
// whatever is sampled.
func tracePolicy(cfg *config.Traces, keep func([16]byte) bool) (columnar.Policy, error) {
	p := columnar.Policy{MaxBytes: int64(cfg.MaxBytes)}
	for _, r := range cfg.RetentionRules {
		match := store.And{}
		if r.Match.Service != "" {
			match = append(match, textIs(store.Col(store.ColService), r.Match.Service))
		}
		p.Rules = append(p.Rules, columnar.RetentionRule{Match: match, Keep: r.Keep.D()})
	}
	s := &cfg.Sampling
	if !s.Enabled {
		return p, nil
	}
	policy := tracestore.SamplingPolicy{Grace: s.Grace.D(), Default: float64(s.Default), Errors: float64(s.Errors), Keep: keep}
	for _, x := range s.Slow {
		policy.Slow = append(policy.Slow, tracestore.SlowShare{Over: x.Over.D(), Share: float64(x.Keep)})
	}
	for _, x := range s.Services {
		policy.Services = append(policy.Services, tracestore.ServiceShare{Pattern: x.Match, Share: float64(x.Keep)})
	}
	var err error
	p.Sampler, err = tracestore.NewSampler(policy)
	return p, err
}

// applyPolicies tells the stores which rows leave.
func (a *App) applyPolicies(cfg *config.Config) error {
	traces, err := tracePolicy(&cfg.Traces, a.exemplars.named)
	if err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	if err := a.stores.traces.SetPolicy(traces); err != nil {
		return err
	}
	return a.stores.logs.SetPolicy(logPolicy(&cfg.Logs))
}
