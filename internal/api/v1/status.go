package v1

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// Intake is how much of one signal comes in now.
type Intake struct {
	Signal    string  `json:"signal" enum:"logs,traces,metrics"`
	PerSecond float64 `json:"storedPerSecond" doc:"records stored per second, over the last seconds"`
	Stored    int64   `json:"stored" doc:"records since the process started"`
	Rejected  int64   `json:"rejected" doc:"records refused for good since the process started"`
	LastSeen  int64   `json:"lastSeenMs"`
}

type statusOutput struct {
	Body struct {
		Version string        `json:"version"`
		Uptime  float64       `json:"uptimeSeconds"`
		Ready   bool          `json:"ready"`
		Reason  string        `json:"notReadyReason,omitempty"`
		Now     int64         `json:"nowMs" doc:"the server's clock"`
		Intake  []Intake      `json:"intake" nullable:"false"`
		Ledger  []LedgerEntry `json:"ledger" nullable:"false"`
		Stores  []StoreStatus `json:"stores" nullable:"false"`
	}
}

func (a *api) status(ctx context.Context, _ *struct{}) (*statusOutput, error) {
	now := a.Now()
	out := &statusOutput{}
	b := &out.Body
	b.Version, b.Uptime, b.Now, b.Ready = a.Version, now.Sub(a.Started).Seconds(), now.UnixMilli(), true
	if err := a.Ready(); err != nil {
		b.Ready, b.Reason = false, err.Error()
	}
	b.Ledger = append([]LedgerEntry{}, a.Ledger()...)
	for i := range b.Ledger {
		if b.Ledger[i].Rejected == nil {
			b.Ledger[i].Rejected = map[string]int64{}
		}
	}
	slices.SortFunc(b.Ledger, func(x, y LedgerEntry) int {
		return cmp.Or(cmp.Compare(x.Source, y.Source), cmp.Compare(x.Signal, y.Signal))
	})
	b.Intake = a.intake(b.Ledger, now)
	b.Stores = append([]StoreStatus{}, a.Stores(ctx)...)
	return out, nil
}

// intake sums the ledger by signal and tells its speed.
func (a *api) intake(ledger []LedgerEntry, now time.Time) []Intake {
	out := []Intake{{Signal: "metrics"}, {Signal: "logs"}, {Signal: "traces"}}
	for _, e := range ledger {
		for i := range out {
			if out[i].Signal != e.Signal {
				continue
			}
			out[i].Stored += e.Stored
			out[i].LastSeen = max(out[i].LastSeen, e.LastSeen)
			for _, n := range e.Rejected {
				out[i].Rejected += n
			}
		}
	}
	a.meter.speed(out, a.Started, now)
	return out
}

const (
	// meterStep is how far the meter's readings are apart at least.
	meterStep = 5 * time.Second
	// meterSpan is how far back the meter looks at most.
	meterSpan = 30 * time.Second
)

// meter tells speeds from counters that it reads whenever somebody looks. The
// first look tells the average since the start.
type meter struct {
	mu       sync.Mutex
	readings []reading
}

type reading struct {
	at     time.Time
	stored map[string]int64
}

func (m *meter) speed(intake []Intake, started, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.readings); n == 0 || now.Sub(m.readings[n-1].at) > meterSpan {
		m.readings = []reading{{at: started}} // nobody looked for long: start over
	}
	for len(m.readings) > 1 && now.Sub(m.readings[1].at) >= meterStep && now.Sub(m.readings[0].at) > meterSpan {
		m.readings = m.readings[1:]
	}
	past := m.readings[0]
	stored := map[string]int64{}
	for i := range intake {
		stored[intake[i].Signal] = intake[i].Stored
		if seconds := now.Sub(past.at).Seconds(); seconds > 0 {
			intake[i].PerSecond = float64(intake[i].Stored-past.stored[intake[i].Signal]) / seconds
		}
	}
	if now.Sub(m.readings[len(m.readings)-1].at) >= meterStep {
		m.readings = append(m.readings, reading{at: now, stored: stored})
	}
}
