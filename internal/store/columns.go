package store

// ColumnScope says where a column's values live.
type ColumnScope uint8

// Where a value lives.
const (
	// Intrinsic columns are the fixed ones: LogColumns, SpanColumns.
	Intrinsic ColumnScope = iota
	// Attr is an attribute of the record itself. Its type can differ by row.
	Attr
	// Resource is an attribute of the record's OpenTelemetry resource.
	Resource
	// Instrumentation is "name", "version" or an attribute of the
	// instrumentation scope.
	Instrumentation
	// Stream is a label of a log record's Loki stream.
	Stream
)

// ColumnRef names one column.
type ColumnRef struct {
	Scope ColumnScope
	Name  string
}

// Col refers to an intrinsic column.
func Col(name string) ColumnRef { return ColumnRef{Intrinsic, name} }

// ColumnInfo describes a column that exists.
type ColumnInfo struct {
	Ref  ColumnRef
	Kind Kind // KindMixed when it was seen with several types
	// Lists tells that some text may begin with "[", as that of an array does. It
	// is true too where the store does not know.
	Lists bool
}

// Intrinsic columns that logs and spans share.
const (
	ColTime     = "ts"       // Int: Unix ns; start time of a span
	ColProduct  = "product"  // String
	ColService  = "service"  // String: service.name
	ColTraceID  = "trace_id" // Bytes: 16 bytes, empty when absent
	ColSpanID   = "span_id"  // Bytes: 8 bytes, empty when absent
	ColResource = "resource" // String: canonical JSON object of all resource attributes
	ColScopeInf = "scope"    // String: canonical JSON object {"name","version","attributes"}
	ColFlags    = "flags"    // Int
	ColAttrs    = "attrs"    // String: JSON object of ALL record attributes of the row
)

// LogColumns.
const (
	ColObserved = "observed_ts"     // Int: Unix ns, 0 when absent
	ColStream   = "stream"          // String: canonical Loki stream, {a="b", c="d"}, sorted by name
	ColSeverity = "severity_number" // Int: 0..24 (OpenTelemetry)
	ColSevText  = "severity_text"   // String
	ColLevel    = "level"           // String: trace debug info warn error fatal unknown
	ColBody     = "body"            // String: the line; JSON when the body is not a string
	ColEvent    = "event_name"      // String
	ColPattern  = "pattern"         // String: the body with <*> for what varies (pattern.Skeleton)
)

// SpanColumns.
const (
	ColDuration   = "duration"       // Int: ns, never negative
	ColParentID   = "parent_span_id" // Bytes: 8 bytes, empty for a root span
	ColName       = "name"           // String
	ColKind       = "kind"           // Int: 0 unspecified 1 internal 2 server 3 client 4 producer 5 consumer
	ColStatus     = "status_code"    // Int: 0 unset 1 ok 2 error
	ColStatusMsg  = "status_message" // String
	ColTraceState = "trace_state"    // String
	ColEvents     = "events"         // String: JSON array, empty when none
	ColLinks      = "links"          // String: JSON array, empty when none
	// ColWeight is Float: how many spans the row stands for, head sampling
	// included. 0 when no sampling was decided: the row stands for those that head
	// sampling left out, which ColTraceState tells.
	ColWeight = "sampling_weight"
)
