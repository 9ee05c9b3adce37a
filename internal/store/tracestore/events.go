package tracestore

import (
	"encoding/hex"
	"strconv"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"hinomi/internal/store/attrs"
)

// appendEvents renders span events: [{"ts":ns,"name":…,"attributes":{…},"dropped":n}].
func appendEvents(dst []byte, events ptrace.SpanEventSlice) []byte {
	dst = append(dst, '[')
	for i := range events.Len() {
		e := events.At(i)
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"ts":`...)
		dst = strconv.AppendUint(dst, uint64(e.Timestamp()), 10)
		dst = append(dst, `,"name":`...)
		dst = attrs.AppendString(dst, e.Name())
		dst = append(dst, `,"attributes":`...)
		dst = attrs.AppendMap(dst, e.Attributes())
		dst = appendDropped(dst, e.DroppedAttributesCount())
	}
	return append(dst, ']')
}

// appendLinks renders span links:
// [{"trace_id":hex,"span_id":hex,"trace_state":…,"flags":n,"attributes":{…},"dropped":n}].
func appendLinks(dst []byte, links ptrace.SpanLinkSlice) []byte {
	dst = append(dst, '[')
	for i := range links.Len() {
		l := links.At(i)
		if i > 0 {
			dst = append(dst, ',')
		}
		trace, span := l.TraceID(), l.SpanID()
		dst = append(dst, `{"trace_id":"`...)
		dst = hex.AppendEncode(dst, trace[:])
		dst = append(dst, `","span_id":"`...)
		dst = hex.AppendEncode(dst, span[:])
		dst = append(dst, `","trace_state":`...)
		dst = attrs.AppendString(dst, l.TraceState().AsRaw())
		dst = append(dst, `,"flags":`...)
		dst = strconv.AppendUint(dst, uint64(l.Flags()), 10)
		dst = append(dst, `,"attributes":`...)
		dst = attrs.AppendMap(dst, l.Attributes())
		dst = appendDropped(dst, l.DroppedAttributesCount())
	}
	return append(dst, ']')
}

func appendDropped(dst []byte, n uint32) []byte {
	if n > 0 {
		dst = append(dst, `,"dropped":`...)
		dst = strconv.AppendUint(dst, uint64(n), 10)
	}
	return append(dst, '}')
}

// eachObject calls fn for every object of a JSON array.
func eachObject(text string, fn func(pcommon.Map)) error {
	v := pcommon.NewValueEmpty()
	if err := attrs.FillValue(v, text); err != nil {
		return err
	}
	if v.Type() != pcommon.ValueTypeSlice {
		return nil
	}
	for i := range v.Slice().Len() {
		if o := v.Slice().At(i); o.Type() == pcommon.ValueTypeMap {
			fn(o.Map())
		}
	}
	return nil
}

func fillEvents(dst ptrace.SpanEventSlice, text string) error {
	if text == "" {
		return nil
	}
	return eachObject(text, func(o pcommon.Map) {
		e := dst.AppendEmpty()
		e.SetTimestamp(pcommon.Timestamp(intOf(o, "ts")))
		e.SetName(strOf(o, "name"))
		e.SetDroppedAttributesCount(uint32(intOf(o, "dropped")))
		copyAttributes(o, e.Attributes())
	})
}

func fillLinks(dst ptrace.SpanLinkSlice, text string) error {
	if text == "" {
		return nil
	}
	return eachObject(text, func(o pcommon.Map) {
		l := dst.AppendEmpty()
		trace, _ := hex.DecodeString(strOf(o, "trace_id"))
		span, _ := hex.DecodeString(strOf(o, "span_id"))
		l.SetTraceID(traceID(string(trace)))
		l.SetSpanID(spanID(string(span)))
		l.TraceState().FromRaw(strOf(o, "trace_state"))
		l.SetFlags(uint32(intOf(o, "flags")))
		l.SetDroppedAttributesCount(uint32(intOf(o, "dropped")))
		copyAttributes(o, l.Attributes())
	})
}

func intOf(o pcommon.Map, key string) int64 {
	v, ok := o.Get(key)
	if !ok {
		return 0
	}
	return v.Int()
}

func strOf(o pcommon.Map, key string) string {
	v, ok := o.Get(key)
	if !ok {
		return ""
	}
	return v.Str()
}

func copyAttributes(o pcommon.Map, dst pcommon.Map) {
	if v, ok := o.Get("attributes"); ok && v.Type() == pcommon.ValueTypeMap {
		v.Map().CopyTo(dst)
	}
}
