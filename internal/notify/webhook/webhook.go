// Package webhook posts notifications in Alertmanager's webhook format
// (version 4) with an Idempotency-Key header.
package webhook

import (
	"context"
	"fmt"
	"log/slog"
	"maps"

	amwebhook "github.com/prometheus/alertmanager/notify/webhook"
	"github.com/prometheus/alertmanager/template"
	commoncfg "github.com/prometheus/common/config"

	"hinomi/internal/notify"
)

// Integration is Alertmanager's name of this kind.
const Integration = "webhook"

// header carries the key of the message (draft-ietf-httpapi-idempotency-key-header).
const header = "Idempotency-Key"

// Deliverer posts to one URL.
type Deliverer struct {
	conf *amwebhook.WebhookConfig
	tmpl *template.Template
	log  *slog.Logger
}

var _ notify.Deliverer = (*Deliverer)(nil)

// New checks that the configuration makes a client.
func New(conf *amwebhook.WebhookConfig, tmpl *template.Template, log *slog.Logger) (*Deliverer, error) {
	d := &Deliverer{conf: conf, tmpl: tmpl, log: log}
	if _, err := d.notifier("check"); err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	return d, nil
}

// Deliver implements notify.Deliverer.
func (d *Deliverer) Deliver(ctx context.Context, m notify.Message, key string) error {
	n, err := d.notifier(key)
	if err != nil {
		return err
	}
	_, err = n.Notify(m.Context(ctx), m.Alerts...)
	return err
}

// notifier is Alertmanager's, made for one message because the header is part
// of its client. Connections are not kept: pages are rare.
func (d *Deliverer) notifier(key string) (*amwebhook.Notifier, error) {
	conf := *d.conf
	client := commoncfg.DefaultHTTPClientConfig
	if conf.HTTPConfig != nil {
		client = *conf.HTTPConfig
	}
	headers := commoncfg.Headers{Headers: map[string]commoncfg.Header{}}
	if client.HTTPHeaders != nil {
		maps.Copy(headers.Headers, client.HTTPHeaders.Headers)
	}
	headers.Headers[header] = commoncfg.Header{Values: []string{key}}
	client.HTTPHeaders = &headers
	conf.HTTPConfig = &client
	return amwebhook.New(&conf, d.tmpl, d.log, commoncfg.WithKeepAlivesDisabled(), commoncfg.WithUserAgent("Hinomi"))
}
