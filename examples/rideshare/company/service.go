package company

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"hinomi/examples/rideshare/telemetry"
)

// service is one of the fifteen. Its revision changes with every deployment.
type service struct {
	c      *Company
	name   string
	team   string
	mux    *http.ServeMux
	routes []endpoint

	mu     sync.RWMutex
	rev    *revision
	serial int
}

// revision is one deployed version of a service: its SDK set and the instruments made with it.
type revision struct {
	svc         *service
	set         *telemetry.Set
	instruments instruments
	// active counts the requests that run with this revision: its metrics end only after the last one was counted.
	active sync.WaitGroup
}

// acquire returns the current revision; call release when the request is over.
func (s *service) acquire() *revision {
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.rev.active.Add(1)
	return s.rev
}

func (rev *revision) release() { rev.active.Done() }

// deploy replaces the revision and returns the old one, nil for the first.
func (s *service) deploy(version string) (*revision, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	set := telemetry.NewSet(s.c.pipeline, telemetry.Identity{
		Service: s.name, Version: version, Instance: fmt.Sprintf("%s-%d", s.name, s.serial), Team: s.team,
	}, func(level string) { s.c.ledger.Log(s.name, level) })
	rev := &revision{svc: s, set: set}
	if err := rev.instruments.create(s, set.Meter); err != nil {
		return nil, fmt.Errorf("make the instruments of %s: %w", s.name, err)
	}
	old := s.rev
	s.rev = rev
	set.Logger.InfoContext(context.Background(), "service started", "version", version, "team", s.team)
	return old, nil
}
