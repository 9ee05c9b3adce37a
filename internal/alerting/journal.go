package alerting

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/silence/silencepb"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/encoding/protodelim"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// writeTimeout bounds one write of state.
const writeTimeout = 10 * time.Second

// journal writes each change of silences or of the notification log to the
// state store before the call that changed it returns. Alertmanager itself
// writes a snapshot every 15 minutes.
type journal struct {
	to       store.Journal
	scope    model.Scope
	entry    func([]byte) (store.StateEntry, error)
	log      *slog.Logger
	failures prometheus.Counter

	mu      sync.Mutex
	pending map[string]store.StateEntry // could not be written yet
}

// put is called with Alertmanager's lock held, so changes come in order.
func (j *journal) put(b []byte) {
	e, err := j.entry(bytes.Clone(b))
	if err != nil {
		j.failures.Inc()
		j.log.Error("a change of alerting state cannot be read", "err", err)
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.write(e)
}

// retry writes what could not be written before.
func (j *journal) retry() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.pending {
		j.write(e)
	}
}

func (j *journal) write(e store.StateEntry) {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	if err := j.to.Put(ctx, j.scope, e); err != nil {
		j.failures.Inc()
		j.pending[e.Key] = e
		j.log.Error("a change of alerting state is not stored yet, it is tried again", "err", err)
		return
	}
	delete(j.pending, e.Key)
}

// restore hands every entry to merge.
func (j *journal) restore(ctx context.Context, merge func([]byte) error) error {
	entries, err := j.to.All(ctx, j.scope)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := merge(e.Body); err != nil {
			return fmt.Errorf("restore %s: %w", e.Key, err)
		}
	}
	return nil
}

func silenceEntry(b []byte) (store.StateEntry, error) {
	var s silencepb.MeshSilence
	if err := protodelim.UnmarshalFrom(bytes.NewReader(b), &s); err != nil {
		return store.StateEntry{}, err
	}
	return store.StateEntry{Key: s.GetSilence().GetId(), Body: b, Expires: s.GetExpiresAt().AsTime()}, nil
}

func logEntry(b []byte) (store.StateEntry, error) {
	var e nflogpb.MeshEntry
	if err := protodelim.UnmarshalFrom(bytes.NewReader(b), &e); err != nil {
		return store.StateEntry{}, err
	}
	r := e.GetEntry().GetReceiver()
	key := fmt.Sprintf("%s:%s/%s/%d", e.GetEntry().GetGroupKey(), r.GetGroupName(), r.GetIntegration(), r.GetIdx())
	return store.StateEntry{Key: key, Body: b, Expires: e.GetExpiresAt().AsTime()}, nil
}
