package alerting

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	amnotify "github.com/prometheus/alertmanager/notify"

	"hinomi/internal/notify"
	"hinomi/internal/store"
)

// outbox is the only integration. It is done when the message is on disk;
// Alertmanager's pipeline then tells the notification log.
type outbox struct {
	m           *Manager
	integration string
	index       int
}

func (m *Manager) toOutbox(integration string, index int) amnotify.Notifier {
	return outbox{m, integration, index}
}

// Notify implements Alertmanager's Notifier.
func (o outbox) Notify(ctx context.Context, alerts ...*alert.Alert) (retry bool, err error) {
	msg := notify.MessageOf(ctx, alerts)
	payload, err := msg.Encode()
	if err != nil {
		return false, err
	}
	n := store.Notification{
		Key: o.key(msg), Receiver: msg.Receiver, Integration: o.integration, Index: o.index,
		GroupKey: msg.GroupKey, Payload: payload, Created: time.Now(),
	}
	// A write that has begun is finished: a reload must not leave it unclear
	// whether the message is out.
	write, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	if _, err := o.m.o.State.Outbox.Enqueue(write, o.m.o.Scope, n); err != nil {
		return true, err
	}
	o.m.o.Queued()
	return false, nil
}

// key is the same after a crash between the outbox and the notification log,
// and another one for every message that is meant: it names the message before
// this one (by the log's time) and which alerts are in which state since when.
func (o outbox) key(msg notify.Message) string {
	h := sha256.New()
	before := int64(0)
	recv := &nflogpb.Receiver{GroupName: msg.Receiver, Integration: o.integration, Idx: uint32(o.index)}
	if entries, err := o.m.notified.Query(nflog.QGroupKey(msg.GroupKey), nflog.QReceiver(recv)); err == nil && len(entries) > 0 {
		before = entries[0].GetTimestamp().AsTime().UnixNano()
	}
	_, _ = fmt.Fprintf(h, "%q %q %d %q %d", msg.Receiver, o.integration, o.index, msg.GroupKey, before)
	lines := make([]string, len(msg.Alerts))
	for i, a := range msg.Alerts {
		lines[i] = fmt.Sprintf("\n%s %s %d", a.Fingerprint(), a.Status(), a.StartsAt.UnixMilli())
	}
	slices.Sort(lines)
	for _, l := range lines {
		_, _ = h.Write([]byte(l))
	}
	return hex.EncodeToString(h.Sum(nil))
}
