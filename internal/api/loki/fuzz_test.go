package loki

import (
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// FuzzDecodeProto: no body makes the decoder panic or make more lines than bytes.
func FuzzDecodeProto(f *testing.F) {
	ts := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 1767322740)
	entry := field(field(field(nil, 1, ts), 2, []byte("hello")), 3, field(field(nil, 1, []byte("user")), 2, []byte("7")))
	f.Add(field(nil, 1, field(field(nil, 1, []byte(`{app="p"}`)), 2, entry)))
	f.Add([]byte("\x0a\xff"))
	f.Fuzz(func(t *testing.T, body []byte) {
		b := newBuilder(time.Unix(0, 0))
		if err := decodeProto(body, b); err == nil && b.ld.LogRecordCount() != b.lines {
			t.Fatalf("%d lines counted, %d made", b.lines, b.ld.LogRecordCount())
		}
		if b.lines > len(body) {
			t.Fatalf("%d lines of %d bytes", b.lines, len(body))
		}
	})
}

// FuzzDecodeJSON: as FuzzDecodeProto.
func FuzzDecodeJSON(f *testing.F) {
	f.Add([]byte(`{"streams":[{"stream":{"a":"b"},"values":[["1767322740000000000","line",{"k":"v"}],["1","x"]]}]}`))
	f.Add([]byte(`{"streams":[{"stream":{"a":"\ud800"},"values":[[]]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		b := newBuilder(time.Unix(0, 0))
		if err := decodeJSON(body, b); err == nil && b.ld.LogRecordCount() != b.lines {
			t.Fatalf("%d lines counted, %d made", b.lines, b.ld.LogRecordCount())
		}
	})
}
