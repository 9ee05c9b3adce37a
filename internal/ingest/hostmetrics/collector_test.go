package hostmetrics

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"hinomi/internal/model"
	"hinomi/internal/store"
	"hinomi/internal/store/metricstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openStore(t *testing.T) *metricstore.Store {
	s, err := metricstore.Open(metricstore.Options{Dir: t.TempDir(), MinFreeBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// values returns each series with its last value; the common labels are left out.
func values(t *testing.T, s *metricstore.Store) map[string]float64 {
	t.Helper()
	q, err := s.Queryable(model.ScopeAll()).Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	out := map[string]float64{}
	set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchEqual, "job", "node"), labels.MustNewMatcher(labels.MatchEqual, "instance", "host-1"))
	for set.Next() {
		ls := labels.NewBuilder(set.At().Labels()).Del("job", "instance").Labels()
		name := ls.Get("__name__")
		key := name + labels.NewBuilder(ls).Del("__name__").Labels().String()
		it := set.At().Iterator(nil)
		for it.Next() != chunkenc.ValNone {
			_, out[key] = it.At()
		}
	}
	return out
}

func fixture(s *metricstore.Store) Options {
	return Options{
		Appendable: s.Appendable(model.ScopeAll()), Instance: "host-1", ProcPath: "testdata/proc", SysPath: "testdata/sys",
		Statfs: func(path string) (unix.Statfs_t, error) {
			if path == "/broken" {
				return unix.Statfs_t{}, errors.New("input/output error")
			}
			return unix.Statfs_t{Bsize: 4096, Blocks: 1000, Bfree: 300, Bavail: 200, Files: 50, Ffree: 40}, nil
		},
		Uname: func() (u unix.Utsname, err error) {
			copy(u.Sysname[:], "Linux")
			copy(u.Nodename[:], "host-1")
			return u, nil
		},
		Now: func() time.Time { return time.Unix(1_767_225_700, 500_000_000) },
	}
}

func TestNodeExporterNames(t *testing.T) {
	s := openStore(t)
	o := fixture(s)
	received, stored := 0, 0
	o.Report = func(_ string, _ model.Signal, r, st int, _ map[store.RejectReason]int) { received, stored = r, st }
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Collect(context.Background()); err != nil {
		t.Fatal(err)
	}
	got := values(t, s)
	for series, want := range map[string]float64{
		`up{}`: 1,
		`node_cpu_seconds_total{cpu="1", mode="user"}`:       2,
		`node_cpu_seconds_total{cpu="0", mode="idle"}`:       20,
		`node_cpu_guest_seconds_total{cpu="0", mode="user"}`: 0,
		`node_boot_time_seconds{}`:                           1767225600,
		`node_context_switches_total{}`:                      67890,
		`node_load1{}`:                                       0.25,
		`node_load15{}`:                                      0.75,
		`node_memory_MemAvailable_bytes{}`:                   5000000 * 1024,
		`node_memory_Active_anon_bytes{}`:                    200000 * 1024,
		`node_memory_HugePages_Total{}`:                      3,
		`node_filesystem_avail_bytes{device="/dev/sda1", fstype="ext4", mountpoint="/"}`:        200 * 4096,
		`node_filesystem_size_bytes{device="/dev/sdb1", fstype="xfs", mountpoint="/data"}`:      1000 * 4096,
		`node_filesystem_readonly{device="/dev/sdb1", fstype="xfs", mountpoint="/data"}`:        1,
		`node_filesystem_device_error{device="/dev/sdc1", fstype="ext4", mountpoint="/broken"}`: 1,
		`node_disk_read_bytes_total{device="sda"}`:                                              2000 * 512,
		`node_disk_io_time_seconds_total{device="sda"}`:                                         0.8,
		`node_disk_io_now{device="sda"}`:                                                        7,
		`node_network_receive_bytes_total{device="eth0"}`:                                       1000,
		`node_network_transmit_colls_total{device="eth0"}`:                                      4,
		`node_filefd_allocated{}`:                                                               1024,
		`node_uname_info{nodename="host-1", sysname="Linux"}`:                                   1,
		`node_time_seconds{}`:                            1767225700.5,
		`node_scrape_collector_success{collector="cpu"}`: 1,
	} {
		if v, ok := got[series]; !ok || v != want {
			t.Errorf("%s = %v (there: %t), want %v", series, v, ok, want)
		}
	}
	for series := range got {
		for _, unwanted := range []string{"sda1\", ", `"proc"`, "nfs4"} {
			if strings.Contains(series, unwanted) && !strings.Contains(series, "fstype=\"ext4\"") {
				t.Errorf("unwanted %s", series)
			}
		}
	}
	if received != len(got) || stored != received {
		t.Errorf("reported %d received and %d stored of %d", received, stored, len(got))
	}
}

func TestPartsFailAlone(t *testing.T) {
	s := openStore(t)
	o := fixture(s)
	o.Uname = func() (unix.Utsname, error) { return unix.Utsname{}, errors.New("no") }
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Collect(context.Background()); err != nil {
		t.Fatal(err)
	}
	got := values(t, s)
	if got[`node_scrape_collector_success{collector="uname"}`] != 0 || got[`node_load1{}`] != 0.25 || got[`up{}`] != 1 {
		t.Errorf("%v", got)
	}
}

func TestThisMachine(t *testing.T) {
	s := openStore(t)
	c, err := New(Options{Appendable: s.Appendable(model.ScopeAll()), Instance: "host-1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Collect(context.Background()); err != nil {
		t.Fatal(err)
	}
	got := values(t, s)
	if got[`node_memory_MemTotal_bytes{}`] <= 0 || got[`node_boot_time_seconds{}`] <= 0 {
		t.Errorf("%d series without memory or boot time", len(got))
	}
}

func TestRunMeasuresAtEveryInterval(t *testing.T) {
	s := openStore(t)
	synctest.Test(t, func(t *testing.T) {
		o := fixture(s)
		o.Now, o.Interval = time.Now, 10*time.Second
		o.Appendable = s.Appendable(model.ScopeAll())
		times := 0
		o.Report = func(string, model.Signal, int, int, map[store.RejectReason]int) { times++ }
		c, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		// The clock of the bubble starts in the past, which an empty store accepts.
		ctx, cancel := context.WithTimeout(context.Background(), 35*time.Second)
		defer cancel()
		if err := c.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if times != 4 {
			t.Errorf("%d measurements in 35 s, want 4", times)
		}
	})
}

func TestNeedsProcfs(t *testing.T) {
	s := openStore(t)
	if _, err := New(Options{Appendable: s.Appendable(model.ScopeAll()), ProcPath: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "procfs") {
		t.Errorf("without procfs: %v", err)
	}
	if _, err := New(Options{}); err == nil {
		t.Error("without a store")
	}
}
