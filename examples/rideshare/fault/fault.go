// Package fault holds the faults that are injected into the rideshare services while they run.
package fault

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Kinds of faults.
const (
	// Latency adds LatencyMS to a share of the requests of a service.
	Latency = "latency"
	// Errors answers a share of the requests of a service with Status, before any work is done.
	Errors = "errors"
	// Crash takes the listener of a service away: connections to it are refused.
	Crash = "crash"
	// DependencyDown makes every operation of a service on one dependency fail.
	DependencyDown = "dependency_down"
)

var (
	// Kinds lists all kinds of faults.
	Kinds = []string{Latency, Errors, Crash, DependencyDown}
	// Dependencies lists what can be down.
	Dependencies = []string{"postgres", "redis", "kafka"}
)

// ErrInvalid is when a fault does not validate; its text says what to change.
var ErrInvalid = errors.New("invalid fault")

// Fault is one injected fault. Shares are in (0, 1].
type Fault struct {
	ID         string  `json:"id"`
	Service    string  `json:"service"`
	Kind       string  `json:"kind"`
	LatencyMS  int     `json:"latency_ms,omitempty"`
	Share      float64 `json:"share,omitempty"`
	Status     int     `json:"status,omitempty"`
	Dependency string  `json:"dependency,omitempty"`
}

// normalize fills defaults and validates against the known services.
func (f Fault) normalize(services []string) (Fault, error) {
	if !slices.Contains(services, f.Service) {
		return f, fmt.Errorf("%w: unknown service %q; use one of %s", ErrInvalid, f.Service, strings.Join(services, ", "))
	}
	if f.Share == 0 {
		f.Share = 1
	}
	if !(f.Share > 0 && f.Share <= 1) {
		return f, fmt.Errorf("%w: share %v; use a number above 0 and up to 1", ErrInvalid, f.Share)
	}
	switch f.Kind {
	case Latency:
		if f.LatencyMS <= 0 || f.LatencyMS > 60_000 {
			return f, fmt.Errorf("%w: latency_ms %d; use 1 to 60000", ErrInvalid, f.LatencyMS)
		}
	case Errors:
		if f.Status == 0 {
			f.Status = 500
		}
		if f.Status < 400 || f.Status > 599 {
			return f, fmt.Errorf("%w: status %d; use 400 to 599", ErrInvalid, f.Status)
		}
	case Crash:
	case DependencyDown:
		if !slices.Contains(Dependencies, f.Dependency) {
			return f, fmt.Errorf("%w: unknown dependency %q; use one of %s", ErrInvalid, f.Dependency, strings.Join(Dependencies, ", "))
		}
	default:
		return f, fmt.Errorf("%w: unknown kind %q; use one of %s", ErrInvalid, f.Kind, strings.Join(Kinds, ", "))
	}
	return f, nil
}

// Registry holds the active faults. It is safe for concurrent use.
type Registry struct {
	services []string
	onChange func()

	mu     sync.RWMutex
	nextID int
	faults []Fault
}

// NewRegistry returns an empty registry for the named services. onChange is called after every change, without a lock.
func NewRegistry(services []string, onChange func()) *Registry {
	return &Registry{services: services, onChange: onChange}
}

// Add validates and activates a fault. A fault with an id that is active replaces it.
func (r *Registry) Add(f Fault) (Fault, error) {
	f, err := f.normalize(r.services)
	if err != nil {
		return f, err
	}
	r.mu.Lock()
	if f.ID == "" {
		r.nextID++
		f.ID = fmt.Sprintf("fault-%d", r.nextID)
	}
	r.faults = slices.DeleteFunc(slices.Clone(r.faults), func(o Fault) bool { return o.ID == f.ID })
	r.faults = append(r.faults, f)
	r.mu.Unlock()
	r.onChange()
	return f, nil
}

// Remove ends the faults for which match is true and returns how many there were.
func (r *Registry) Remove(match func(Fault) bool) int {
	r.mu.Lock()
	before := len(r.faults)
	r.faults = slices.DeleteFunc(slices.Clone(r.faults), match)
	removed := before - len(r.faults)
	r.mu.Unlock()
	r.onChange()
	return removed
}

// List returns the active faults, oldest first.
func (r *Registry) List() []Fault {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return append([]Fault{}, r.faults...)
}

// Of returns the active faults of a service and kind. The common case of none does not allocate.
func (r *Registry) Of(service, kind string) []Fault {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var out []Fault
	for _, f := range r.faults {
		if f.Service == service && f.Kind == kind {
			out = append(out, f)
		}
	}
	return out
}

// Crashed says whether the listener of a service is gone.
func (r *Registry) Crashed(service string) bool { return len(r.Of(service, Crash)) > 0 }

// Down says whether a dependency is down for a service.
func (r *Registry) Down(service, dependency string) bool {
	return slices.ContainsFunc(r.Of(service, DependencyDown), func(f Fault) bool { return f.Dependency == dependency })
}
