package otlpwire

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// Visitor is shown an export request by Walk: a resource, a scope of it, the records
// of that, the next scope. Each method is false when its message is not of the plain
// kind or not valid, which ends the walk.
type Visitor interface {
	Resource(raw []byte) bool
	Scope(raw []byte) bool
	Record(raw []byte) bool
}

// Walk shows v an ExportLogsServiceRequest or an ExportTraceServiceRequest, whose
// messages have the same numbers: a group of each resource (1: Resource, 2: groups
// of its scopes), of each scope (1: InstrumentationScope, 2: records). It is false
// when the request is not of the plain kind or not valid.
func Walk(body []byte, v Visitor) bool {
	return each(body, 1, func(resource []byte) bool {
		raw, ok := head(resource)
		return ok && v.Resource(raw) && each(resource, 2, func(scope []byte) bool {
			raw, ok := head(scope)
			return ok && v.Scope(raw) && each(scope, 2, v.Record)
		})
	})
}

// deprecated is where senders from before OTLP 0.15 have the groups of a resource,
// which pdata moves.
const deprecated = 1000

// head returns the field 1 of a group, which is there once at most because protobuf
// would merge two. Behind it are the members (2) and the URL of their schema (3),
// which is not kept.
func head(group []byte) (raw []byte, ok bool) {
	var f Field
	n := 0
	for len(group) > 0 {
		if group, ok = Next(group, &f); !ok || f.Num <= 3 && f.Type != Bytes || f.Num == deprecated {
			return nil, false
		}
		if f.Num == 1 {
			raw = f.Bytes
			n++
		}
	}
	return raw, n <= 1
}

// each calls fn with every field of a number, as long as it says so.
func each(b []byte, num uint32, fn func([]byte) bool) (ok bool) {
	var f Field
	for len(b) > 0 {
		if b, ok = Next(b, &f); !ok {
			return false
		}
		if f.Num == num && (f.Type != Bytes || !fn(f.Bytes)) {
			return false
		}
	}
	return true
}

// ID reads a trace id (16 bytes) or a span id (8). It is empty when the field is or
// has only zeros, and not ok when it has another length.
func ID(f *Field, size int) (id string, ok bool) {
	if len(f.Bytes) != size {
		return "", len(f.Bytes) == 0
	}
	if f.Text() == zeros[:size] {
		return "", true
	}
	return f.Text(), true
}

const zeros = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// AttributeSetter takes attributes; keys and texts are views.
type AttributeSetter interface {
	AttrStr(key, v string)
	AttrInt(key string, v int64)
	AttrFloat(key string, v float64)
	AttrBool(key string, v bool)
	// AddAttributes takes those of every other kind; buf is memory that it may use
	// and returns.
	AddAttributes(buf []byte, m pcommon.Map) []byte
}

// SetAttributes reads KeyValues into dst. One whose value is a list, a map, bytes or
// nothing is decoded by pdata. buf is memory for dst.
func SetAttributes(dst AttributeSetter, attributes [][]byte, buf *[]byte) bool {
	for _, a := range attributes {
		key, v, ok := KeyValue(a)
		if !ok {
			return false
		}
		switch v.Kind {
		case Text:
			dst.AttrStr(key, v.Text)
		case Int:
			dst.AttrInt(key, v.Int)
		case Double:
			dst.AttrFloat(key, v.Float)
		case Bool:
			dst.AttrBool(key, v.Int != 0)
		default:
			m, ok := DecodeAttribute(a)
			if !ok {
				return false
			}
			*buf = dst.AddAttributes(*buf, m)
		}
	}
	return true
}

// DecodeResource decodes a Resource with pdata.
func DecodeResource(raw []byte) (pcommon.Map, bool) {
	req := ptraceotlp.NewExportRequest()
	if req.UnmarshalProto(AppendBytes(nil, 1, AppendBytes(nil, 1, raw))) != nil {
		return pcommon.Map{}, false
	}
	return req.Traces().ResourceSpans().At(0).Resource().Attributes(), true
}

// DecodeScope decodes an InstrumentationScope with pdata.
func DecodeScope(raw []byte) (pcommon.InstrumentationScope, bool) {
	req := ptraceotlp.NewExportRequest()
	if req.UnmarshalProto(AppendBytes(nil, 1, AppendBytes(nil, 2, AppendBytes(nil, 1, raw)))) != nil {
		return pcommon.InstrumentationScope{}, false
	}
	return req.Traces().ResourceSpans().At(0).ScopeSpans().At(0).Scope(), true
}

// DecodeAttribute decodes a KeyValue with pdata: the one that SetAttributes leaves.
func DecodeAttribute(keyValue []byte) (pcommon.Map, bool) {
	// A resource is a list of them.
	return DecodeResource(AppendBytes(nil, 1, keyValue))
}
