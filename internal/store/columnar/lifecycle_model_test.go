package columnar

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// lifeModel is a table with retention rules, sampling and deletion requests
// beside a map, whose rows are judged one by one.
type lifeModel struct {
	t      *testing.T
	rng    *rand.Rand
	fs     *vfs.MemFS
	opts   Options
	tab    *Table
	now    time.Time
	rows   map[string]lifeRow
	gone   map[string]bool // users whose deletion was acknowledged
	judged map[string]bool // rows that were seen by an application of the policy
	users  int
	next   int
}

func (m *lifeModel) keepOf(service string) time.Duration {
	switch service {
	case "audit":
		return modelRetention
	case "noise":
		return 30 * time.Hour
	}
	return 5 * 24 * time.Hour
}

func (m *lifeModel) policy() Policy {
	return Policy{
		Rules:   []RetentionRule{{service("audit"), m.keepOf("audit")}, {service("noise"), m.keepOf("noise")}, {store.True{}, m.keepOf("web")}},
		Sampler: newEvenSampler(),
	}
}

func (m *lifeModel) open() {
	m.t.Helper()
	var err error
	if m.tab, err = Open(m.opts); err == nil {
		err = m.tab.SetPolicy(m.policy())
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *lifeModel) append() {
	var rows []lifeRow
	for range 1 + m.rng.IntN(60) {
		r := lifeRow{
			id: fmt.Sprint(m.next), service: []string{"audit", "noise", "web"}[m.rng.IntN(3)],
			user: fmt.Sprint("user-", m.users+m.rng.IntN(4)), product: []string{"", "a"}[m.rng.IntN(2)],
			ts: m.now.Add(-time.Duration(m.rng.Int64N(int64(9 * 24 * time.Hour)))).UnixNano(),
		}
		m.next++
		rows = append(rows, r)
	}
	appendLife(m.t, m.tab, rows...)
	for _, r := range rows {
		m.rows[r.id] = r
	}
}

// delete deletes everything of one user, who gets no rows afterwards.
func (m *lifeModel) delete() {
	user := fmt.Sprint("user-", m.users)
	m.users++
	if _, err := deleteUser(m.tab, user); err != nil {
		m.t.Fatal(err)
	}
	m.gone[user] = true
}

func (m *lifeModel) leave() {
	if err := m.tab.Flush(); err != nil {
		m.t.Fatal(err)
	}
	if err := m.tab.leave(m.now); err != nil {
		m.t.Fatal(err)
	}
	for id := range m.rows {
		m.judged[id] = true
	}
	for _, d := range m.tab.Deletions(model.ScopeAll()) {
		if d.Proof == nil {
			m.t.Fatalf("request %s is not done", d.ID)
		}
	}
}

func (m *lifeModel) check() {
	m.t.Helper()
	have := lifeIDs(m.t, m.tab, nil)
	day := int64(24 * time.Hour)
	for id, r := range m.rows {
		limit := m.now.Add(-m.keepOf(r.service)).UnixNano()
		odd := (id[len(id)-1]-'0')%2 == 1
		shown := have[id]
		delete(have, id)
		switch {
		case m.gone[r.user]:
			if shown {
				m.t.Fatalf("row %s of a deleted user is shown", id)
			}
		case odd && m.judged[id] && (r.ts/day+1)*day < m.now.Add(-time.Hour-sampleDelay).UnixNano():
			// The last row of its day is past the grace, so its segment was sampled.
			if shown {
				m.t.Fatalf("row %s of a group that is not sampled is shown", id)
			}
		case m.judged[id] && (r.ts/day+1)*day <= limit:
			if shown {
				m.t.Fatalf("row %s of %s is %s old and shown", id, r.service, m.now.Sub(time.Unix(0, r.ts)))
			}
		case r.ts >= limit && (!odd || r.ts >= m.now.Add(-time.Hour).UnixNano()):
			if !shown {
				m.t.Fatalf("row %s of %s, %s old, is missing", id, r.service, m.now.Sub(time.Unix(0, r.ts)))
			}
		}
	}
	if len(have) > 0 {
		m.t.Fatalf("rows that nobody stored: %v", keys(have))
	}
}

// TestLifecycleModel does in random order what can happen to a table whose rows
// leave, and compares what it shows with what the model allows.
func TestLifecycleModel(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := &lifeModel{t: t, rng: rand.New(rand.NewPCG(seed, 3)), fs: vfs.NewCrashableMem(), now: testNow,
				rows: map[string]lifeRow{}, gone: map[string]bool{}, judged: map[string]bool{}}
			m.opts = lifeOptions(m.fs)
			m.open()
			t.Cleanup(func() { _ = m.tab.Close() })
			for range 60 {
				switch step := m.rng.IntN(100); {
				case step < 40:
					m.append()
				case step < 55:
					if err := m.tab.Flush(); err != nil {
						t.Fatal(err)
					}
				case step < 65:
					if err := m.tab.compact(m.now); err != nil {
						t.Fatal(err)
					}
				case step < 75:
					m.delete()
				case step < 88:
					m.leave()
				case step < 92:
					if err := m.tab.Close(); err != nil {
						t.Fatal(err)
					}
					m.open()
				default:
					clone := m.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: m.rng.IntN(101), RNG: m.rng})
					if err := m.tab.Close(); err != nil {
						t.Fatal(err)
					}
					m.fs, m.opts.FS = clone, clone
					m.open()
				}
				m.check()
			}
			m.leave()
			m.check()
			if len(m.gone) == 0 || removed(m.tab, removedRule)+removed(m.tab, removedSampling) == 0 && len(m.rows) == len(lifeIDs(t, m.tab, nil)) {
				t.Error("nothing left the table")
			}
			if d := m.tab.Damages(); len(d) != 0 {
				t.Errorf("damages: %+v", d)
			}
		})
	}
}
