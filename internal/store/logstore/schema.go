package logstore

import (
	"hinomi/internal/detect/pattern"
	"hinomi/internal/store"
	"hinomi/internal/store/columnar"
)

// Positions of the fields in schema.
const (
	colTime = iota
	colProduct
	colService
	colStream
	colResource
	colScope
	colObserved
	colSeverity
	colSevText
	colEvent
	colFlags
	colTrace
	colSpan
	colBody
)

var schema = columnar.Schema{
	Name: "logs",
	Fields: []columnar.Field{
		colTime:     {Name: store.ColTime, Kind: store.KindInt, Delta: true},
		colProduct:  {Name: store.ColProduct, Kind: store.KindString},
		colService:  {Name: store.ColService, Kind: store.KindString},
		colStream:   {Name: store.ColStream, Kind: store.KindString},
		colResource: {Name: store.ColResource, Kind: store.KindString},
		colScope:    {Name: store.ColScopeInf, Kind: store.KindString},
		colObserved: {Name: store.ColObserved, Kind: store.KindInt, Delta: true},
		colSeverity: {Name: store.ColSeverity, Kind: store.KindInt},
		colSevText:  {Name: store.ColSevText, Kind: store.KindString},
		colEvent:    {Name: store.ColEvent, Kind: store.KindString},
		colFlags:    {Name: store.ColFlags, Kind: store.KindInt},
		colTrace:    {Name: store.ColTraceID, Kind: store.KindBytes, Exact: true},
		colSpan:     {Name: store.ColSpanID, Kind: store.KindBytes},
		colBody:     {Name: store.ColBody, Kind: store.KindString, Plain: true, Words: true},
	},
	Time: store.ColTime,
	// Lines of a service resemble each other, and are asked for together.
	SortBy: store.ColService,
	Derived: map[string]columnar.Derivation{
		store.ColLevel:   {From: store.ColSeverity, Map: level},
		store.ColPattern: {From: store.ColBody, Map: func(v store.Value) string { return pattern.Skeleton(v.Str) }, Stored: true},
	},
}

// level names the range of an OpenTelemetry severity number (log data model,
// "Field: SeverityNumber").
func level(v store.Value) string {
	switch n := v.Int; {
	case n <= 0 || n > 24:
		return "unknown"
	case n <= 4:
		return "trace"
	case n <= 8:
		return "debug"
	case n <= 12:
		return "info"
	case n <= 16:
		return "warn"
	case n <= 20:
		return "error"
	}
	return "fatal"
}
