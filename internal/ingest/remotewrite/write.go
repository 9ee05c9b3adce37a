package remotewrite

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"

	"hinomi/internal/store"
)

// transaction stores one request: good samples are kept when others are refused.
type transaction struct {
	app      storage.AppenderV2
	rejected func(error) (store.RejectReason, bool)
	noteMeta func(family string, m metadata.Metadata)

	result                          store.WriteResult
	received                        int
	samples, histograms, nExemplars int
	// exemplars without a sample in the same message, as Prometheus sends them
	// in version 1; they are added once their series is sure to exist.
	late []lateExemplar
	// scratch labels for looking up a series without building new ones
	lset labels.Labels
}

type lateExemplar struct {
	series labels.Labels
	e      exemplar.Exemplar
}

func (t *transaction) metadata(family string, m metadata.Metadata) {
	if t.noteMeta != nil {
		t.noteMeta(family, m)
	}
}

// series stores one series. Its error concerns the whole request.
func (t *transaction) series(s *series, bad error) error {
	t.received += s.rows()
	if bad != nil {
		// An unusable series without rows is still worth an answer.
		t.result.Reject(store.RejectMalformed, max(1, s.rows()), bad.Error())
		return nil
	}
	ref, ls, err := t.identify(s)
	if err != nil {
		t.result.Reject(store.RejectMalformed, max(1, s.rows()), err.Error())
		return nil
	}
	if s.rows() == 0 {
		for _, e := range s.exemplars {
			t.late = append(t.late, lateExemplar{ls, e})
		}
		return nil
	}
	opts := storage.AOptions{Metadata: s.meta, Exemplars: s.exemplars}
	slices.SortFunc(opts.Exemplars, func(a, b exemplar.Exemplar) int { return cmp.Compare(a.Ts, b.Ts) })
	for _, v := range s.samples {
		var err error
		if ref, err = t.append(ref, ls, v.t, v.st, v.v, nil, nil, &opts, &t.samples); err != nil {
			return err
		}
	}
	for i := range s.histograms {
		h := &s.histograms[i]
		if err := h.fitResolution(); err != nil {
			t.result.Reject(store.RejectMalformed, 1, err.Error())
			continue
		}
		var err error
		if ref, err = t.append(ref, ls, h.t, h.st, 0, h.h, h.fh, &opts, &t.histograms); err != nil {
			return err
		}
	}
	if s.known.ref != 0 && ref != s.known.ref {
		s.cache.drop(s.key) // the store has removed the series and made it anew
	}
	return nil
}

// identify finds the reference of a series, 0 for a new one, and its labels in
// memory of their own. Its error concerns this series.
func (t *transaction) identify(s *series) (storage.SeriesRef, labels.Labels, error) {
	if s.known.ref != 0 {
		return s.known.ref, s.known.labels, nil
	}
	s.builder.Sort()
	s.builder.Overwrite(&t.lset)
	if g, ok := t.app.(storage.GetRef); ok {
		if ref, ls := g.GetRef(t.lset, t.lset.Hash()); ref != 0 {
			if s.keyed {
				s.cache.put(s.key, knownSeries{ref, ls}, &s.place)
			}
			return ref, ls, nil
		}
	}
	// Only new series are checked: an existing one has passed before.
	ls := s.builder.Labels()
	return 0, ls, validate(ls)
}

func (t *transaction) append(ref storage.SeriesRef, ls labels.Labels, at, st int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts *storage.AOptions, written *int) (storage.SeriesRef, error) {
	if st > at {
		st = 0 // a start after the sample is a sender's mistake and no reason to lose the sample
	}
	out, err := t.app.Append(ref, ls, st, at, v, h, fh, *opts)
	if err != nil {
		var partial *storage.AppendPartialError
		if errors.As(err, &partial) {
			t.nExemplars -= len(partial.ExemplarErrors)
			err = nil
		}
	}
	if err == nil {
		*written++
		t.nExemplars += len(opts.Exemplars)
		opts.Exemplars = nil // with the first stored sample, once
		return out, nil
	}
	reason, ok := t.rejected(err)
	if !ok {
		return 0, err
	}
	if t.result.Example[reason] == "" {
		t.result.Reject(reason, 1, fmt.Sprintf("%s: series %s at %d ms", err, strings.ToValidUTF8(ls.String(), "\uFFFD"), at))
	} else {
		t.result.Reject(reason, 1, "")
	}
	return ref, nil
}

func validate(ls labels.Labels) error {
	switch name, duplicate := ls.HasDuplicateLabelNames(); {
	case ls.Get(labels.MetricName) == "":
		return fmt.Errorf("series %s has no metric name", quote(ls))
	case duplicate:
		return fmt.Errorf("series %s has the label %q twice", quote(ls), name)
	case !ls.IsValid(model.UTF8Validation):
		return fmt.Errorf("series %s has an empty label name or invalid UTF-8", quote(ls))
	}
	return nil
}

func quote(ls labels.Labels) string { return strings.ToValidUTF8(ls.String(), "\uFFFD") }
