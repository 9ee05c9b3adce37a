package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"testing"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/client_golang/prometheus"
	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb"

	"hinomi/test/harness"
)

// TestPrometheusRemoteWriteClient runs Prometheus' own sender: a TSDB with its
// WAL, the WAL watcher and the queue manager, in both protocol versions.
func TestPrometheusRemoteWriteClient(t *testing.T) {
	h := harness.New(t, "host_metrics: {enabled: false}\n").Start()
	for _, version := range []remoteapi.WriteMessageType{remoteapi.WriteV1MessageType, remoteapi.WriteV2MessageType} {
		t.Run(string(version), func(t *testing.T) {
			name := fmt.Sprintf("client_%d", len(version))
			send(t, h, version, name)
		})
	}
}

func send(t *testing.T, h *harness.Hinomi, version remoteapi.WriteMessageType, name string) {
	t.Helper()
	dir := t.TempDir()
	db, err := tsdb.Open(dir, slog.New(slog.DiscardHandler), nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	target, err := url.Parse(h.Base + "/api/v1/write")
	if err != nil {
		t.Fatal(err)
	}
	rw := config.DefaultRemoteWriteConfig
	rw.URL = &commoncfg.URL{URL: target}
	rw.Name = name
	rw.ProtobufMessage = version
	rw.QueueConfig.BatchSendDeadline = model.Duration(50 * time.Millisecond)
	rw.SendExemplars = true
	storage := remote.NewStorage(slog.New(slog.DiscardHandler), prometheus.NewRegistry(), db.StartTime, dir, time.Second, nil, false)
	defer storage.Close()
	if err := storage.ApplyConfig(&config.Config{GlobalConfig: config.DefaultGlobalConfig, RemoteWriteConfigs: []*config.RemoteWriteConfig{&rw}}); err != nil {
		t.Fatal(err)
	}
	const series, points = 200, 5
	want := 0.0
	begin := time.Now()
	harness.Eventually(t, 60*time.Second, "all samples at Hinomi", func() bool {
		// The watcher takes only samples that are newer than its own start, so
		// the samples are written again, later, until they arrive.
		want = 0
		app := db.Appender(context.Background())
		for s := range series {
			for p := range points {
				ls := labels.FromStrings("__name__", name, "series", fmt.Sprint(s))
				if _, err := app.Append(0, ls, time.Now().Add(time.Duration(p-points)*time.Millisecond).UnixMilli(), float64(s+p)); err != nil {
					// A sample of the same millisecond with another value.
					continue
				}
			}
			want += float64(s + points - 1)
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
		storage.Notify()
		got := h.PromQL("sum("+name+")", "", time.Now())[""]
		n := h.PromQL("count("+name+")", "", time.Now())[""]
		if time.Since(begin) > 30*time.Second {
			t.Logf("sum %v of %v, %v series", got, want, n)
		}
		return got == want && n == series
	})
}
