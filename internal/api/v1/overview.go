package v1

import (
	"context"
	"time"
)

// quietAfter is how long nothing may come in before Hinomi says so.
const quietAfter = 2 * time.Minute

// refusedFor is how long a refused record is worth a sentence.
const refusedFor = 5 * time.Minute

// Health is what Hinomi says about itself, as a code and its parameters.
type Health struct {
	State  State  `json:"state" enum:"ok,risk,broken,unknown"`
	Code   string `json:"code" enum:"ok,notReady,storeError,damaged,rejecting,empty,quiet" doc:"storeError: a store cannot work; damaged: files were set aside; rejecting: records are refused; empty: nothing came in yet; quiet: nothing comes in any more"`
	Store  string `json:"store,omitempty" doc:"the store it is about"`
	Source string `json:"source,omitempty" doc:"the door whose records are refused"`
	Reason string `json:"reason,omitempty" doc:"the error, or the newest refusal, in words"`
	Count  int64  `json:"count,omitempty" doc:"damaged files, or records refused since the start"`
	Since  int64  `json:"sinceMs,omitempty" doc:"newest intake"`
}

type overviewOutput struct {
	Body struct {
		Counts struct {
			OK      int `json:"ok"`
			Risk    int `json:"risk"`
			Broken  int `json:"broken"`
			Unknown int `json:"unknown"`
		} `json:"counts" doc:"services by state"`
		Services []Service `json:"services" nullable:"false" doc:"worst first"`
		Alerts   []Alert   `json:"alerts" nullable:"false" doc:"pending and firing, most urgent first"`
		Health   Health    `json:"health"`
		Intake   []Intake  `json:"intake" nullable:"false"`
		Stored   int64     `json:"storedBytes" doc:"bytes on disk in all stores"`
		Version  string    `json:"version"`
		Uptime   float64   `json:"uptimeSeconds"`
	}
}

func (a *api) overview(ctx context.Context, in *RangeInput) (*overviewOutput, error) {
	from, to, err := in.times(a.Now())
	if err != nil {
		return nil, err
	}
	services, alerts, err := a.collect(ctx, from, to)
	if err != nil {
		return nil, a.unavailable(ctx, err)
	}
	status, err := a.status(ctx, nil)
	if err != nil {
		return nil, err
	}
	out := &overviewOutput{}
	b := &out.Body
	b.Services, b.Alerts = services, append([]Alert{}, alerts...)
	for _, s := range services {
		switch s.State {
		case OK:
			b.Counts.OK++
		case Risk:
			b.Counts.Risk++
		case Broken:
			b.Counts.Broken++
		default:
			b.Counts.Unknown++
		}
	}
	for _, s := range status.Body.Stores {
		b.Stored += s.Bytes
	}
	b.Intake, b.Version, b.Uptime = status.Body.Intake, status.Body.Version, status.Body.Uptime
	b.Health = health(status, a.Now())
	return out, nil
}

// health finds the most important thing to say.
func health(s *statusOutput, now time.Time) Health {
	b := s.Body
	if !b.Ready {
		return Health{State: Broken, Code: "notReady", Reason: b.Reason}
	}
	for _, st := range b.Stores {
		if st.Error != "" {
			return Health{State: Broken, Code: "storeError", Store: st.Name, Reason: st.Error}
		}
	}
	for _, st := range b.Stores {
		if st.Damaged > 0 {
			return Health{State: Risk, Code: "damaged", Store: st.Name, Count: int64(st.Damaged)}
		}
	}
	var newest int64
	var refusing LedgerEntry
	for _, e := range b.Ledger {
		newest = max(newest, e.LastSeen)
		if e.LastRejected > refusing.LastRejected {
			refusing = e
		}
	}
	switch {
	case newest == 0:
		return Health{State: Unknown, Code: "empty"}
	case now.Sub(time.UnixMilli(newest)) > quietAfter:
		return Health{State: Risk, Code: "quiet", Since: newest}
	case now.Sub(time.UnixMilli(refusing.LastRejected)) < refusedFor:
		var count int64
		for _, n := range refusing.Rejected {
			count += n
		}
		return Health{State: Risk, Code: "rejecting", Source: refusing.Source, Count: count, Reason: refusing.LastRejection}
	}
	return Health{State: OK, Code: "ok", Since: newest}
}
