package traceql

func (s *search) found(ev *evaluator, sets []Spanset) Found {
	t := ev.trace
	out := Found{TraceID: hexText(t.ID), Start: t.start, Duration: t.end - t.start, ServiceStats: map[string]ServiceStats{}}
	out.RootName, _ = t.rootName()
	out.RootService, _ = t.rootService()
	for _, sp := range t.Spans {
		st := out.ServiceStats[sp.Service]
		st.Spans++
		if sp.Status == 2 {
			st.Errors++
		}
		out.ServiceStats[sp.Service] = st
	}
	for _, set := range sets {
		fs := FoundSet{Matched: len(set.Spans), Attrs: set.Attrs}
		for _, sp := range set.Spans[:min(s.r.Spss, len(set.Spans))] {
			fs.Spans = append(fs.Spans, s.show(ev, sp))
		}
		out.Sets = append(out.Sets, fs)
	}
	return out
}

// show renders a span with the attributes that the query names.
func (s *search) show(ev *evaluator, sp *Span) FoundSpan {
	out := FoundSpan{ID: hexText(sp.ID), Start: sp.Start, Duration: sp.Duration}
	for _, a := range s.shown {
		if a.Scope == ScopeIntrinsic {
			switch a.Name {
			case "name":
				if !a.Parent {
					out.Name = sp.Name
					continue
				}
			case "duration", "span:id", "trace:id", "traceDuration", "rootName", "rootServiceName", "parent":
				continue
			}
		}
		v := ev.attribute(a, sp)[0]
		if v.Type == TypeNil {
			continue
		}
		name := a.Name
		if a.Parent {
			name = "parent." + name
		}
		out.Attrs = append(out.Attrs, Named{name, v})
	}
	return out
}

// referenced lists the attributes that a query names, in order, once each.
func referenced(e any) []*Attribute {
	var out []*Attribute
	seen := map[Attribute]bool{}
	var walk func(any)
	walk = func(e any) {
		switch e := e.(type) {
		case *Attribute:
			if !seen[*e] {
				seen[*e] = true
				out = append(out, e)
			}
		case *Query:
			if e.Pipe != nil {
				walk(e.Pipe)
			}
			for _, m := range pipelines(e.Metrics) {
				walk(m.Pipe)
				if m.Agg.Sel != nil {
					walk(m.Agg.Sel)
				}
			}
		case *Binary:
			walk(e.L)
			walk(e.R)
		case *Unary:
			walk(e.X)
		case *Pipeline:
			for _, x := range e.Elems {
				walk(x)
			}
		case *SpansetFilter:
			if e.Expr != nil {
				walk(e.Expr)
			}
		case *SpansetOp:
			walk(e.L)
			walk(e.R)
		case *ScalarFilter:
			walk(e.L)
			walk(e.R)
		case *ScalarOp:
			walk(e.L)
			walk(e.R)
		case *AggregateExpr:
			if e.Field != nil {
				walk(e.Field)
			}
		case *ScalarPipeline:
			walk(e.Pipe)
			walk(e.Agg)
		case *GroupBy:
			walk(e.Expr)
		case *Select:
			for _, a := range e.Attrs {
				walk(a)
			}
		}
	}
	walk(e)
	return out
}
