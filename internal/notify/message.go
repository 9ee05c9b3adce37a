// Package notify delivers notifications: it takes them from the outbox, tries
// until one is accepted or too old, and records every try. Deliverers wrap
// Alertmanager's notifiers, one folder each.
package notify

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/prometheus/alertmanager/alert"
	amnotify "github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/common/model"
)

// Message is the payload of a notification: what Alertmanager's notifiers get
// from their pipeline, so that any of them can deliver it later.
type Message struct {
	Receiver    string                `json:"receiver"`
	GroupKey    string                `json:"group_key"`
	GroupLabels model.LabelSet        `json:"group_labels"`
	RouteLabels model.LabelSet        `json:"route_labels,omitempty"`
	Reason      amnotify.NotifyReason `json:"reason"`
	Alerts      []*alert.Alert        `json:"alerts"`
}

// MessageOf reads a message from the context of an Alertmanager pipeline.
func MessageOf(ctx context.Context, alerts []*alert.Alert) Message {
	m := Message{Alerts: alerts}
	m.Receiver, _ = amnotify.ReceiverName(ctx)
	m.GroupKey, _ = amnotify.GroupKey(ctx)
	m.GroupLabels, _ = amnotify.GroupLabels(ctx)
	m.RouteLabels, _ = amnotify.RouteLabels(ctx)
	m.Reason, _ = amnotify.NotificationReason(ctx)
	return m
}

// Context is the context that Alertmanager's notifiers expect.
func (m Message) Context(ctx context.Context) context.Context {
	ctx = amnotify.WithReceiverName(ctx, m.Receiver)
	ctx = amnotify.WithGroupKey(ctx, m.GroupKey)
	ctx = amnotify.WithGroupLabels(ctx, m.GroupLabels)
	ctx = amnotify.WithRouteLabels(ctx, m.RouteLabels)
	return amnotify.WithNotificationReason(ctx, m.Reason)
}

// Encode is the form in the outbox.
func (m Message) Encode() ([]byte, error) { return json.Marshal(m) }

// DecodeMessage reads what Encode wrote.
func DecodeMessage(b []byte) (Message, error) {
	var m Message
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("read a notification from the outbox: %w", err)
	}
	return m, nil
}
