package v1

// State is how a service, or Hinomi itself, is.
type State string

// The states, worst first in lists.
const (
	Broken  State = "broken"  // users are failed now
	Risk    State = "risk"    // worse than it should be, or about to be
	Unknown State = "unknown" // no data to judge by
	OK      State = "ok"
)

func (s State) rank() int {
	switch s {
	case Broken:
		return 0
	case Risk:
		return 1
	case Unknown:
		return 2
	}
	return 3
}

// LedgerEntry counts what one source sent of one signal since the process
// started. Received is Stored plus everything rejected plus duplicates plus what is
// under way.
type LedgerEntry struct {
	Source   string           `json:"source" doc:"door it came through, such as otlp, remote_write, scrape, loki, host"`
	Signal   string           `json:"signal" enum:"logs,traces,metrics"`
	Received int64            `json:"received" doc:"records"`
	Stored   int64            `json:"stored" doc:"records that are on disk"`
	Rejected map[string]int64 `json:"rejected" doc:"records refused for good, by reason"`
	// Duplicates are neither stored again nor refused.
	Duplicates int64 `json:"duplicates" doc:"records of requests that were sent again although they had been acknowledged"`
	LastSeen   int64 `json:"lastSeenMs" doc:"Unix milliseconds of the newest request, 0 for never"`

	LastRejected  int64  `json:"lastRejectedMs" doc:"Unix milliseconds of the newest refusal, 0 for never"`
	LastRejection string `json:"lastRejection,omitempty" doc:"the newest refusal in words"`
}

// StoreStatus describes one store.
type StoreStatus struct {
	Name     string `json:"name" example:"logs"`
	Rows     int64  `json:"rows" doc:"records or samples; -1 when the store does not count them"`
	Bytes    int64  `json:"bytes" doc:"bytes on disk"`
	Segments int    `json:"segments" doc:"immutable files or blocks"`
	Damaged  int    `json:"damaged" doc:"files set aside because their checksums are wrong"`
	Oldest   int64  `json:"oldestMs" doc:"Unix milliseconds of the oldest datum, 0 for none"`
	Error    string `json:"error,omitempty" doc:"why the store cannot work, in words"`
}

// Alert is one pending or firing alert.
type Alert struct {
	Name        string            `json:"name"`
	State       string            `json:"state" enum:"pending,firing"`
	Severity    string            `json:"severity" doc:"label severity, such as critical, warning, info"`
	Service     string            `json:"service" doc:"service it is about, empty when none"`
	Summary     string            `json:"summary" doc:"annotation summary, or description"`
	Since       int64             `json:"sinceMs" doc:"Unix milliseconds when its expression became true"`
	Value       float64           `json:"value"`
	Silenced    bool              `json:"silenced" doc:"nobody is notified, because of a silence or another alert"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// Verdict is a sentence about a service as a code and its parameters, so that
// the pages can say it in the reader's language. Only the parameters of the
// code are there.
type Verdict struct {
	Code            string  `json:"code" enum:"ok,errors,slow,alert,noTraffic,noSpans" doc:"errors: a share of requests fails; slow: p99 is far above its usual; alert: only an alert says so; noTraffic: served within the last hour, not now; noSpans: known, but sends no server spans"`
	ErrorShare      float64 `json:"errorShare,omitempty" doc:"fraction of requests that fail now"`
	Since           int64   `json:"sinceMs,omitempty" doc:"Unix milliseconds since when it is like this, as far as the range shows"`
	Operation       string  `json:"operation,omitempty" doc:"operation with most of the failures or the time"`
	Dependency      string  `json:"dependency,omitempty" doc:"service or store whose calls fail most"`
	DependencyShare float64 `json:"dependencyShare,omitempty" doc:"fraction of the calls to the dependency that fail"`
	P99             float64 `json:"p99Ms,omitempty"`
	P99Before       float64 `json:"p99BeforeMs,omitempty" doc:"p99 that it is compared with"`
	Compared        string  `json:"comparedWith,omitempty" enum:"hourAgo,range" doc:"hourAgo: one hour before; range: the median of the range, when there is nothing an hour before"`
	Rate            float64 `json:"requestsPerSecond,omitempty"`
	Alert           string  `json:"alert,omitempty" doc:"name of the worst firing alert"`
}

// RED are the three numbers that describe a service to its callers.
type RED struct {
	Rate       *float64 `json:"requestsPerSecond" doc:"null when there is no data"`
	ErrorShare *float64 `json:"errorShare" doc:"fraction; null without requests"`
	P50        *float64 `json:"p50Ms"`
	P99        *float64 `json:"p99Ms"`
}

// Spark are values on one time grid; null where there is no data.
type Spark struct {
	Start      int64      `json:"startMs" doc:"Unix milliseconds of the first value"`
	Step       int64      `json:"stepMs"`
	Rate       []*float64 `json:"requestsPerSecond" nullable:"false"`
	ErrorShare []*float64 `json:"errorShare" nullable:"false"`
	P99        []*float64 `json:"p99Ms" nullable:"false"`
}

// Service is one service and how it is.
type Service struct {
	Name    string  `json:"name"`
	State   State   `json:"state" enum:"ok,risk,broken,unknown"`
	Verdict Verdict `json:"verdict"`
	Now     RED     `json:"now"`
	Before  RED     `json:"hourAgo"`
	Spark   Spark   `json:"spark"`
	Alerts  []Alert `json:"alerts" nullable:"false" doc:"firing alerts of the service"`
}

// Operation is one kind of request that a service serves.
type Operation struct {
	Name string `json:"name"`
	Kind string `json:"kind" enum:"server,consumer"`
	RED
}

// Dependency is one edge of the service graph.
type Dependency struct {
	Name  string  `json:"name"`
	Type  string  `json:"type" doc:"connection type: empty for a plain request, database, messaging_system or virtual_node"`
	Share float64 `json:"share" doc:"fraction of all calls in this direction"`
	RED
}

// ServiceDetail is a service with what is inside and around it.
type ServiceDetail struct {
	Service
	Operations []Operation  `json:"operations" nullable:"false" doc:"most failures first, then busiest"`
	Calls      []Dependency `json:"calls" nullable:"false" doc:"what the service calls"`
	CalledBy   []Dependency `json:"calledBy" nullable:"false" doc:"what calls the service"`
}
