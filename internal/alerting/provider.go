package alerting

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/provider"
	"github.com/prometheus/alertmanager/provider/mem"
	pmodel "github.com/prometheus/common/model"
	"google.golang.org/protobuf/encoding/protodelim"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// durableAlerts is Alertmanager's memory of alerts, written to the state store
// before it changes.
type durableAlerts struct {
	*mem.Alerts
	state  store.AlertState
	scope  model.Scope
	notify *nflog.Log
}

var _ provider.Alerts = (*durableAlerts)(nil)

// Put stores the alerts on disk, then in memory.
func (d *durableAlerts) Put(ctx context.Context, alerts ...*alert.Alert) error {
	records := make([]store.AlertRecord, len(alerts))
	for i, a := range alerts {
		records[i] = recordOf(a)
	}
	if err := d.state.PutAlerts(ctx, d.scope, records); err != nil {
		return err
	}
	return d.Alerts.Put(ctx, alerts...)
}

// SlurpAndSubscribe leaves out alerts that have ended and of which every
// receiver knows: a reload or a restart must not tell it twice.
func (d *durableAlerts) SlurpAndSubscribe(name string) ([]*alert.Alert, provider.AlertIterator) {
	alerts, it := d.Alerts.SlurpAndSubscribe(name)
	told := d.believedFiring()
	return slices.DeleteFunc(alerts, func(a *alert.Alert) bool { return a.Resolved() && !told[hashOf(a)] }), it
}

// restoreGrace is the least time that the rules get after a restart to say
// whether an alert goes on.
const restoreGrace = time.Minute

// restore loads alerts as they were. One that was firing keeps firing for as
// long as the rules would have been allowed to stay silent, and half as long
// again: they need a few evaluations to come back.
func (d *durableAlerts) restore(ctx context.Context, now time.Time) error {
	records, err := d.state.LoadAlerts(ctx, d.scope)
	if err != nil {
		return err
	}
	told := d.believedFiring()
	var alerts []*alert.Alert
	for _, r := range records {
		a := alertOf(r)
		knows := told[hashOf(a)]
		if !knows && !r.Ends.After(now) {
			continue // Ended, and nobody waits to hear of it.
		}
		if r.Timeout {
			silent := r.Ends.Sub(r.Updated)
			a.EndsAt = now.Add(max(restoreGrace, silent*3/2))
		}
		alerts = append(alerts, a)
	}
	return d.Alerts.Put(ctx, alerts...)
}

// believedFiring are the hashes of alerts that some receiver was told are
// firing and not yet that they ended.
func (d *durableAlerts) believedFiring() map[uint64]bool {
	out := map[uint64]bool{}
	b, err := d.notify.MarshalBinary()
	if err != nil {
		return out
	}
	for r := bytes.NewReader(b); r.Len() > 0; {
		var e nflogpb.MeshEntry
		if err := protodelim.UnmarshalFrom(r, &e); err != nil {
			return out
		}
		for _, h := range e.GetEntry().GetFiringAlerts() {
			out[h] = true
		}
	}
	return out
}

// hashOf is the hash under which the notification log knows an alert.
func hashOf(a *alert.Alert) uint64 {
	const sep = '\xff'
	names := make([]string, 0, len(a.Labels))
	for n := range a.Labels {
		names = append(names, string(n))
	}
	slices.Sort(names)
	var b []byte
	for _, n := range names {
		b = append(append(b, n...), sep)
		b = append(append(b, a.Labels[pmodel.LabelName(n)]...), sep)
	}
	return xxhash.Sum64(b)
}

func recordOf(a *alert.Alert) store.AlertRecord {
	r := store.AlertRecord{
		Fingerprint: a.Fingerprint().String(), Labels: map[string]string{}, Annotations: map[string]string{},
		GeneratorURL: a.GeneratorURL, Starts: a.StartsAt, Ends: a.EndsAt, Updated: a.UpdatedAt, Timeout: a.Timeout,
	}
	for n, v := range a.Labels {
		r.Labels[string(n)] = string(v)
	}
	for n, v := range a.Annotations {
		r.Annotations[string(n)] = string(v)
	}
	return r
}

func alertOf(r store.AlertRecord) *alert.Alert {
	a := &alert.Alert{
		Alert: pmodel.Alert{
			Labels: pmodel.LabelSet{}, Annotations: pmodel.LabelSet{}, GeneratorURL: r.GeneratorURL, StartsAt: r.Starts, EndsAt: r.Ends,
		},
		UpdatedAt: r.Updated, Timeout: r.Timeout,
	}
	for n, v := range r.Labels {
		a.Labels[pmodel.LabelName(n)] = pmodel.LabelValue(v)
	}
	for n, v := range r.Annotations {
		a.Annotations[pmodel.LabelName(n)] = pmodel.LabelValue(v)
	}
	return a
}
