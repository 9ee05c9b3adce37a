package tempo

import (
	"encoding/json"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// tempoProto are the messages of Tempo's tempo.proto that this package speaks:
// name, then its fields as number, name and type; * is repeated, % a map from text.
var tempoProto = map[string][]string{
	"AnyValue":                  {"1 string_value string", "2 bool_value bool", "3 int_value int64", "4 double_value double", "5 array_value ArrayValue"},
	"ArrayValue":                {"1 values *AnyValue"},
	"KeyValue":                  {"1 key string", "2 value AnyValue"},
	"SearchRequest":             {"1 Tags %string", "2 MinDurationMs uint32", "3 MaxDurationMs uint32", "4 Limit uint32", "5 start uint32", "6 end uint32", "8 Query string", "9 SpansPerSpanSet uint32"},
	"SearchResponse":            {"1 traces *TraceSearchMetadata", "2 metrics SearchMetrics"},
	"TraceSearchMetadata":       {"1 traceID string", "2 rootServiceName string", "3 rootTraceName string", "4 startTimeUnixNano uint64", "5 durationMs uint32", "6 spanSet SpanSet", "7 spanSets *SpanSet", "8 serviceStats %ServiceStats"},
	"ServiceStats":              {"1 spanCount uint32", "2 errorCount uint32"},
	"SpanSet":                   {"1 spans *Span", "2 matched uint32", "3 attributes *KeyValue"},
	"Span":                      {"1 spanID string", "2 name string", "3 startTimeUnixNano uint64", "4 durationNanos uint64", "5 attributes *KeyValue"},
	"SearchMetrics":             {"1 inspectedTraces uint32", "2 inspectedBytes uint64", "3 totalBlocks uint32", "4 completedJobs uint32", "5 totalJobs uint32", "6 totalBlockBytes uint64", "7 inspectedSpans uint64"},
	"SearchTagsRequest":         {"1 scope string", "2 query string", "3 start uint32", "4 end uint32", "5 maxTagsPerScope uint32"},
	"SearchTagsResponse":        {"1 tagNames *string", "2 metrics MetadataMetrics"},
	"SearchTagsV2Response":      {"1 scopes *SearchTagsV2Scope", "2 metrics MetadataMetrics"},
	"SearchTagsV2Scope":         {"1 name string", "2 tags *string"},
	"SearchTagValuesRequest":    {"1 tagName string", "2 query string", "4 start uint32", "5 end uint32", "6 maxTagValues uint32"},
	"SearchTagValuesResponse":   {"1 tagValues *string", "2 metrics MetadataMetrics"},
	"SearchTagValuesV2Response": {"1 tagValues *TagValue", "2 metrics MetadataMetrics"},
	"TagValue":                  {"1 type string", "2 value string"},
	"MetadataMetrics":           {"1 inspectedBytes uint64", "2 totalJobs uint32", "3 completedJobs uint32", "4 totalBlocks uint32"},
	"QueryRangeRequest":         {"1 query string", "2 start uint64", "3 end uint64", "4 step uint64", "16 exemplars uint32", "17 maxSeries uint32"},
	"QueryRangeResponse":        {"1 series *TimeSeries", "2 metrics SearchMetrics", "3 status PartialStatus", "4 message string"},
	"QueryInstantRequest":       {"1 query string", "2 start uint64", "3 end uint64"},
	"QueryInstantResponse":      {"1 series *InstantSeries", "2 metrics SearchMetrics", "3 status PartialStatus", "4 message string"},
	"InstantSeries":             {"1 labels *KeyValue", "2 value double"},
	"TimeSeries":                {"1 labels *KeyValue", "2 samples *Sample", "4 exemplars *Exemplar"},
	"Sample":                    {"1 value double", "2 timestamp_ms int64"},
	"Exemplar":                  {"1 labels *KeyValue", "2 value double", "3 timestamp_ms int64"},
}

// protoFile builds the descriptors.
func protoFile(t *testing.T) protoreflect.FileDescriptor {
	t.Helper()
	scalars := map[string]descriptorpb.FieldDescriptorProto_Type{
		"string": descriptorpb.FieldDescriptorProto_TYPE_STRING, "bool": descriptorpb.FieldDescriptorProto_TYPE_BOOL,
		"int64": descriptorpb.FieldDescriptorProto_TYPE_INT64, "uint64": descriptorpb.FieldDescriptorProto_TYPE_UINT64,
		"uint32": descriptorpb.FieldDescriptorProto_TYPE_UINT32, "double": descriptorpb.FieldDescriptorProto_TYPE_DOUBLE,
	}
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("tempo.proto"), Package: proto.String("tempopb"), Syntax: proto.String("proto3"),
		EnumType: []*descriptorpb.EnumDescriptorProto{{Name: proto.String("PartialStatus"), Value: []*descriptorpb.EnumValueDescriptorProto{
			{Name: proto.String("COMPLETE"), Number: proto.Int32(0)}, {Name: proto.String("PARTIAL"), Number: proto.Int32(1)},
		}}},
	}
	field := func(number int32, name, typ string) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{
			Name: proto.String(name), Number: proto.Int32(number), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
		if rest, ok := strings.CutPrefix(typ, "*"); ok {
			f.Label, typ = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum(), rest
		}
		switch s, ok := scalars[typ]; {
		case ok:
			f.Type = s.Enum()
		case typ == "PartialStatus":
			f.Type, f.TypeName = descriptorpb.FieldDescriptorProto_TYPE_ENUM.Enum(), proto.String(".tempopb."+typ)
		default:
			f.Type, f.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), proto.String(".tempopb."+typ)
		}
		return f
	}
	for name, fields := range tempoProto {
		m := &descriptorpb.DescriptorProto{Name: proto.String(name)}
		if name == "AnyValue" {
			m.OneofDecl = []*descriptorpb.OneofDescriptorProto{{Name: proto.String("value")}}
		}
		for _, text := range fields {
			part := strings.Fields(text)
			number := int32(0)
			if err := json.Unmarshal([]byte(part[0]), &number); err != nil {
				t.Fatal(err)
			}
			if val, ok := strings.CutPrefix(part[2], "%"); ok {
				entry := strings.ToUpper(part[1][:1]) + part[1][1:] + "Entry"
				m.NestedType = append(m.NestedType, &descriptorpb.DescriptorProto{
					Name: proto.String(entry), Options: &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)},
					Field: []*descriptorpb.FieldDescriptorProto{field(1, "key", "string"), field(2, "value", val)},
				})
				part[2] = "*" + name + "." + entry
			}
			f := field(number, part[1], part[2])
			if name == "AnyValue" {
				f.OneofIndex = proto.Int32(0)
			}
			m.Field = append(m.Field, f)
		}
		file.MessageType = append(file.MessageType, m)
	}
	fd, err := protodesc.NewFile(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// decode reads a message and gives its JSON, keys sorted.
func decode(t *testing.T, fd protoreflect.FileDescriptor, name string, b []byte) string {
	t.Helper()
	m := dynamicpb.NewMessage(fd.Messages().ByName(protoreflect.Name(name)))
	if err := proto.Unmarshal(b, m); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if u := m.GetUnknown(); len(u) > 0 {
		t.Errorf("%s has unknown fields: %x", name, u)
	}
	text, err := protojson.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return canonical(t, string(text))
}

// canonical sorts the keys of a JSON object.
func canonical(t *testing.T, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// encode makes a request from its JSON.
func encode(t *testing.T, fd protoreflect.FileDescriptor, name, text string) message {
	t.Helper()
	m := dynamicpb.NewMessage(fd.Messages().ByName(protoreflect.Name(name)))
	if err := protojson.Unmarshal([]byte(text), m); err != nil {
		t.Fatal(err)
	}
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
