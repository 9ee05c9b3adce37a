package metricstore

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"

	hmodel "hinomi/internal/model"
	"hinomi/internal/store"
)

// shopAndBank holds one series, exemplar and metadata for each of two products
// and the default one.
func shopAndBank(t *testing.T) *Store {
	s := openTest(t, t.TempDir())
	for _, product := range []string{"", "shop", "bank", "sh.p"} {
		name := "m_" + map[string]string{"": "default", "sh.p": "dotted"}[product] + map[string]string{"shop": "shop", "bank": "bank"}[product]
		ls := labels.FromStrings(labels.MetricName, name, "common", "x")
		app := s.Appender(context.Background(), hmodel.ScopeProducts(hmodel.RoleEditor, product))
		ref, err := app.Append(0, ls, ms(0), 1)
		if err != nil {
			t.Fatal(err)
		}
		full := labels.NewBuilder(ls).Set("product", product).Labels()
		if _, err := app.AppendExemplar(ref, full, exemplar.Exemplar{Ts: ms(0), Value: 1, Labels: labels.FromStrings("trace_id", name)}); err != nil {
			t.Fatal(err)
		}
		if _, err := app.UpdateMetadata(ref, full, metadata.Metadata{Type: model.MetricTypeCounter, Help: name}); err != nil {
			t.Fatal(err)
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestReadsStayInsideTheScope(t *testing.T) {
	s := shopAndBank(t)
	ctx := context.Background()
	viewer := func(p ...string) hmodel.Scope { return hmodel.ScopeProducts(hmodel.RoleViewer, p...) }
	for name, tt := range map[string]struct {
		scope hmodel.Scope
		want  []string
	}{
		"one":             {viewer("shop"), []string{"m_shop"}},
		"default":         {viewer(""), []string{"m_default"}},
		"several":         {viewer("shop", "bank"), []string{"m_bank", "m_shop"}},
		"default and one": {viewer("", "bank"), []string{"m_bank", "m_default"}},
		"quoted":          {viewer("sh.p", "nobody"), []string{"m_dotted"}},
		"none":            {viewer(), nil},
		"zero":            {hmodel.Scope{}, nil},
		"unknown":         {viewer("other"), nil},
		"all":             {hmodel.ScopeAll(), []string{"m_bank", "m_default", "m_dotted", "m_shop"}},
	} {
		t.Run(name, func(t *testing.T) {
			q := s.Queryable(tt.scope)
			any := labels.MustNewMatcher(labels.MatchRegexp, labels.MetricName, ".*")

			querier, err := q.Querier(math.MinInt64, math.MaxInt64)
			if err != nil {
				t.Fatal(err)
			}
			defer querier.Close()
			var got []string
			for set := querier.Select(ctx, true, nil, any); set.Next(); {
				got = append(got, set.At().Labels().Get(labels.MetricName))
			}
			slices.Sort(got)
			if !slices.Equal(got, tt.want) {
				t.Errorf("Select = %v, want %v", got, tt.want)
			}
			got, _, err = querier.LabelValues(ctx, labels.MetricName, nil)
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("LabelValues = %v, %v, want %v", got, err, tt.want)
			}
			names, _, err := querier.LabelNames(ctx, nil)
			if err != nil || (len(names) > 0) != (len(tt.want) > 0) {
				t.Errorf("LabelNames = %v, %v", names, err)
			}

			chunks, err := q.ChunkQuerier(math.MinInt64, math.MaxInt64)
			if err != nil {
				t.Fatal(err)
			}
			defer chunks.Close()
			got = nil
			for set := chunks.Select(ctx, true, nil, any); set.Next(); {
				got = append(got, set.At().Labels().Get(labels.MetricName))
			}
			slices.Sort(got)
			if !slices.Equal(got, tt.want) {
				t.Errorf("chunk Select = %v, want %v", got, tt.want)
			}
			got, _, err = chunks.LabelValues(ctx, labels.MetricName, nil)
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("chunk LabelValues = %v, %v, want %v", got, err, tt.want)
			}

			eq, err := q.ExemplarQuerier(ctx)
			if err != nil {
				t.Fatal(err)
			}
			found, err := eq.Select(0, math.MaxInt64, []*labels.Matcher{any}, []*labels.Matcher{any})
			if err != nil {
				t.Fatal(err)
			}
			got = nil
			for _, r := range found {
				got = append(got, r.SeriesLabels.Get(labels.MetricName))
			}
			slices.Sort(got)
			if !slices.Equal(got, tt.want) {
				t.Errorf("exemplars = %v, want %v", got, tt.want)
			}

			got = nil
			for family := range s.Metadata(tt.scope, "") {
				got = append(got, family)
			}
			slices.Sort(got)
			if !slices.Equal(got, tt.want) {
				t.Errorf("Metadata = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestScopeOfTheContextIsUsed(t *testing.T) {
	s := shopAndBank(t)
	type key struct{}
	q, err := s.ContextQueryable(func(ctx context.Context) hmodel.Scope {
		scope, _ := ctx.Value(key{}).(hmodel.Scope)
		return scope
	}).Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	got, _, _ := q.LabelValues(context.Background(), labels.MetricName, nil)
	if len(got) != 0 {
		t.Errorf("no scope in the context reaches %v", got)
	}
	ctx := context.WithValue(context.Background(), key{}, hmodel.ScopeProducts(hmodel.RoleViewer, "bank"))
	got, _, _ = q.LabelValues(ctx, labels.MetricName, nil)
	if !slices.Equal(got, []string{"m_bank"}) {
		t.Errorf("bank's scope reaches %v", got)
	}
}

func TestWritesStayInsideTheScope(t *testing.T) {
	s := shopAndBank(t)
	ctx := context.Background()
	bank := labels.FromStrings(labels.MetricName, "m_bank", "common", "x", "product", "bank")
	shop := hmodel.ScopeProducts(hmodel.RoleEditor, "shop")

	// The reference of bank's series, as an honest writer would hold it.
	app := s.Appender(ctx, hmodel.ScopeAll())
	bankRef, err := app.Append(0, bank, ms(time.Second), 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}

	v1 := s.Appender(ctx, shop)
	_, err1 := v1.Append(0, bank, ms(2*time.Second), 3)
	_, err2 := v1.AppendHistogram(0, bank, ms(2*time.Second), nil, nil)
	_, err3 := v1.AppendExemplar(0, bank, exemplar.Exemplar{Ts: ms(0)})
	_, err4 := v1.UpdateMetadata(0, bank, metadata.Metadata{Help: "stolen"})
	_, err5 := v1.AppendSTZeroSample(0, bank, ms(2*time.Second), ms(0))
	_, err6 := v1.AppendHistogramSTZeroSample(0, bank, ms(2*time.Second), ms(0), nil, nil)
	v2 := s.AppenderV2(ctx, shop)
	_, err7 := v2.Append(0, bank, 0, ms(2*time.Second), 3, nil, nil, storage.AOptions{})
	for i, err := range []error{err1, err2, err3, err4, err5, err6, err7} {
		if reason, ok := Rejected(err); !ok || reason != store.RejectOutOfScope || !errors.Is(err, hmodel.ErrOutOfScope) {
			t.Errorf("write %d to another product = %v", i+1, err)
		}
	}
	// Labels without a product go to shop even if the reference is bank's.
	plain := labels.FromStrings(labels.MetricName, "m_bank", "common", "x")
	if _, err := v1.Append(bankRef, plain, ms(3*time.Second), 4); err != nil {
		t.Fatal(err)
	}
	if _, err := v2.Append(bankRef, plain, 0, ms(4*time.Second), 5, nil, nil, storage.AOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(v1.Commit(), v2.Commit()); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s, hmodel.ScopeProducts(hmodel.RoleViewer, "bank"))[bank.String()]; len(got) != 2 {
		t.Errorf("bank's series has %v", got)
	}
	stolen := labels.NewBuilder(plain).Set("product", "shop").Labels()
	if got := read(t, s, shop)[stolen.String()]; len(got) != 2 {
		t.Errorf("shop's own series has %v", got)
	}
}
