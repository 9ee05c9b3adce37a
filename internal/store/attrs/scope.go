package attrs

import "go.opentelemetry.io/collector/pdata/pcommon"

// Scope is the canonical JSON object of an instrumentation scope:
// {"name":…,"version":…,"attributes":{…}}, absent parts left out.
func Scope(s pcommon.InstrumentationScope) string {
	m := pcommon.NewMap()
	if s.Name() != "" {
		m.PutStr("name", s.Name())
	}
	if s.Version() != "" {
		m.PutStr("version", s.Version())
	}
	if s.Attributes().Len() > 0 {
		s.Attributes().CopyTo(m.PutEmptyMap("attributes"))
	}
	return string(AppendMap(nil, m))
}

// FillScope undoes Scope.
func FillScope(s pcommon.InstrumentationScope, text string) error {
	m := pcommon.NewMap()
	if err := Fill(m, text); err != nil {
		return err
	}
	if v, ok := m.Get("name"); ok {
		s.SetName(v.Str())
	}
	if v, ok := m.Get("version"); ok {
		s.SetVersion(v.Str())
	}
	if v, ok := m.Get("attributes"); ok && v.Type() == pcommon.ValueTypeMap {
		v.Map().CopyTo(s.Attributes())
	}
	return nil
}
