package tracestore

import (
	"hinomi/internal/store"
	"hinomi/internal/store/columnar"
)

// Positions of the fields in schema.
const (
	colTime = iota
	colDuration
	colProduct
	colService
	colResource
	colScope
	colTrace
	colSpan
	colParent
	colName
	colKind
	colStatus
	colStatusMsg
	colTraceState
	colFlags
	colEvents
	colLinks
	colDropped
	colWeight
)

// colDroppedCounts keeps the dropped counts of a span as
// "attributes,events,links"; empty when all are 0, as nearly always.
const colDroppedCounts = "dropped_counts"

var schema = columnar.Schema{
	Name: "spans",
	Fields: []columnar.Field{
		colTime:       {Name: store.ColTime, Kind: store.KindInt, Delta: true},
		colDuration:   {Name: store.ColDuration, Kind: store.KindInt, Delta: true},
		colProduct:    {Name: store.ColProduct, Kind: store.KindString},
		colService:    {Name: store.ColService, Kind: store.KindString},
		colResource:   {Name: store.ColResource, Kind: store.KindString},
		colScope:      {Name: store.ColScopeInf, Kind: store.KindString},
		colTrace:      {Name: store.ColTraceID, Kind: store.KindBytes, Exact: true},
		colSpan:       {Name: store.ColSpanID, Kind: store.KindBytes},
		colParent:     {Name: store.ColParentID, Kind: store.KindBytes},
		colName:       {Name: store.ColName, Kind: store.KindString},
		colKind:       {Name: store.ColKind, Kind: store.KindInt},
		colStatus:     {Name: store.ColStatus, Kind: store.KindInt},
		colStatusMsg:  {Name: store.ColStatusMsg, Kind: store.KindString},
		colTraceState: {Name: store.ColTraceState, Kind: store.KindString},
		colFlags:      {Name: store.ColFlags, Kind: store.KindInt},
		colEvents:     {Name: store.ColEvents, Kind: store.KindString, Plain: true},
		colLinks:      {Name: store.ColLinks, Kind: store.KindString, Plain: true},
		colDropped:    {Name: colDroppedCounts, Kind: store.KindString},
		colWeight:     {Name: store.ColWeight, Kind: store.KindFloat},
	},
	Time: store.ColTime,
	// One trace lies together, so that fetching it reads one page per column.
	SortBy: store.ColTraceID,
}
