package columnar

import (
	"go.opentelemetry.io/collector/pdata/pcommon"

	"hinomi/internal/store/attrs"
)

// AddAttributes sets every attribute of m on the current row. It returns buf,
// which it uses for rendering, for the next call.
func (b *Builder) AddAttributes(buf []byte, m pcommon.Map) []byte {
	for key, v := range m.All() {
		switch v.Type() {
		case pcommon.ValueTypeStr:
			b.AttrStr(key, v.Str())
		case pcommon.ValueTypeInt:
			b.AttrInt(key, v.Int())
		case pcommon.ValueTypeDouble:
			b.AttrFloat(key, v.Double())
		case pcommon.ValueTypeBool:
			b.AttrBool(key, v.Bool())
		default:
			buf = attrs.AppendValue(buf[:0], v)
			b.AttrJSON(key, buf)
		}
	}
	return buf
}
