package traceql

import (
	"strings"

	"hinomi/internal/model"
	"hinomi/internal/query/plan"
	"hinomi/internal/store"
)

// Metrics count a span for as many as it stands for: sampling keeps some traces
// and gives each of their spans a weight. A span about which sampling has not
// decided stands for those that its tracestate says were left out where the trace
// began, which the weight of one that is decided includes.
//
// Searches, and count() and the other aggregates of spansets, speak of the spans
// that there are.

// weightColumns are what the weight of a span is read from.
var weightColumns = []store.ColumnRef{store.Col(store.ColWeight), store.Col(store.ColTraceState)}

// weightOf is how many spans a span stands for.
func weightOf(stored float64, state string) float64 {
	switch {
	case stored > 0:
		return stored
	case state == "":
		return 1
	}
	return 1 / model.HeadProbability(state)
}

// weigher weighs the rows of frames that have weightColumns at the positions at.
type weigher struct {
	at     []int
	states map[string]float64 // by tracestate
	dict   *string            // the last dictionary of states, and the weights of its entries
	coded  []float64
	out    []float64
}

// maxStates bounds the tracestates remembered: they may carry ids.
const maxStates = 4096

// weights makes what weighs rows, for one worker.
func weights(at []int) func() plan.Weights {
	return func() plan.Weights { return (&weigher{at: at}).frame }
}

// frame implements plan.Weights.
func (w *weigher) frame(f *plan.Frame) (byRow []float64, all float64) {
	stored, state := &f.Cols[w.at[0]], &f.Cols[w.at[1]]
	if f.N == 0 {
		return nil, 1
	}
	if oneValue(stored) && (oneValue(state) || stored.Value(0).Flt > 0) {
		return nil, w.of(stored.Value(0).Flt, state.Str(0))
	}
	w.recode(state)
	w.out = sized(w.out, f.N)
	for i := range f.Rows() {
		r := f.Row(i)
		x := 0.0
		if stored.Floats != nil {
			x = stored.Floats[r]
		}
		switch {
		case x > 0:
		case w.coded != nil && (state.Valid == nil || state.Valid[r]):
			x = w.coded[state.Codes[r]]
		default:
			x = w.of(0, state.Str(r))
		}
		w.out[r] = x
	}
	return w.out, 0
}

func oneValue(v *store.Vec) bool { return v.Same || v.Kind == store.KindNull }

// recode weighs the entries of the dictionary of states.
func (w *weigher) recode(state *store.Vec) {
	if state.Codes == nil || len(state.Dict) > maxStates {
		w.dict, w.coded = nil, nil
		return
	}
	if w.dict == &state.Dict[0] && len(w.coded) == len(state.Dict) {
		return
	}
	w.dict, w.coded = &state.Dict[0], make([]float64, len(state.Dict))
	for i, s := range state.Dict {
		w.coded[i] = weightOf(0, s)
	}
}

func (w *weigher) of(stored float64, state string) float64 {
	if stored > 0 || state == "" {
		return weightOf(stored, state)
	}
	x, ok := w.states[state]
	if !ok {
		x = weightOf(stored, state)
		if w.states == nil || len(w.states) >= maxStates {
			w.states = map[string]float64{}
		}
		w.states[strings.Clone(state)] = x
	}
	return x
}
