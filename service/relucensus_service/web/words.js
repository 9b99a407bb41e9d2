// What the numbers mean.

export const DEFINITIONS = {
  activation_regions: {
    name: "activation regions",
    says: "Open sets of inputs on which every neuron keeps one symbol, active or inactive.",
  },
  linear_regions: {
    name: "linear regions",
    says: "Activation regions, joined where two share a facet and the network has the same affine map on both.",
  },
  affine_pieces: {
    name: "affine pieces",
    says: "Different affine maps that the network follows, wherever they occur.",
  },
  activation_patterns: {
    name: "activation patterns",
    says: "Patterns attained at some point of the closed domain; a single point is enough. For up to 48 breakpoints.",
  },
  closed_linear_regions: {
    name: "closed linear regions",
    says: "Activation regions, joined where their closures meet anywhere and the affine map is the same.",
  },
};

export const DEFAULT_DEFINITIONS = ["activation_regions", "linear_regions", "affine_pieces"];

export const ENGINES = {
  auto: "Chooses: skeleton for the number of activation regions with up to 5 inputs, else tree.",
  tree: "One compiled depth-first search over all prefixes of symbols. For every network.",
  skeleton: "Cuts the vertices and edges of the box by one neuron after the other. Up to 10 inputs.",
  milp: "Finds regions facet by facet and asks a mixed-integer program for what was missed. The reference.",
  brute: "Tries all patterns. Up to 16 neurons.",
};

/** What a file may leave open, as the page asks it. */
export const OPTIONS = {
  activation: "Which activation stands between the layers?",
  model_output: "Which output is wanted?",
  submodel: "Which of the networks?",
  batch_axis: "What is the first axis of the input?",
};

export const CHOICES = {
  batch_axis: { first: "a batch", none: "a part of one input" },
};

/** Endings of files that are models; of several files, the others are those beside it. */
export const MODEL_ENDINGS = [".onnx", ".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".nnet"];

export const STATES = {
  queued: "waiting for a runner",
  running: "counting",
  cancelling: "stopping; what was found is put together",
  succeeded: "done",
  failed: "failed",
  cancelled: "cancelled",
};

/** Bounds of a result, in the order in which they are shown. */
export const BOUNDS = [
  ["two_to_the_neurons", "2ᴺ", "One region for each pattern of symbols; N neurons have at most 2ᴺ."],
  [
    "montufar_2017",
    "Montúfar 2017",
    "Layer by layer, each cuts a space of at most as many dimensions as came through.",
  ],
  ["serra_2018", "Serra et al. 2018", "As before, and inactive neurons take dimensions away."],
  ["zaslavsky", "Zaslavsky 1975", "Hyperplanes in general position; for one hidden layer."],
];

export const BOUNDS_OF_SPACE = [
  [
    "montufar_2014_lower_bound_on_the_maximum",
    "Montúfar et al. 2014",
    "Some weights of this shape reach so many, on the whole space.",
  ],
  [
    "hanin_rolnick_2019_expectation_at_initialisation",
    "Hanin & Rolnick 2019",
    "The order of what to expect when the network was initialised, Nᵈ/d!, on the whole space.",
  ],
  ["wang_2022_expectation_band", "Wang 2022", "The average over random weights is in this band, on the whole space."],
];

export const STATISTICS = [
  ["wall_seconds", "time"],
  ["cpu_seconds", "processor time"],
  ["cubes", "cubes settled"],
  ["handed_over", "cubes handed to another engine"],
  ["lps", "linear programs"],
  ["milp_solves", "mixed-integer programs"],
  ["exact_fallbacks", "decisions in rational arithmetic"],
  ["peak_memory_bytes", "memory at most"],
];

export const FORMATS = { onnx: "ONNX", state_dict: "PyTorch state_dict", safetensors: "safetensors", nnet: ".nnet" };

export const ACTIVATIONS = [
  ["relu", "ReLU"],
  ["leaky_relu", "leaky ReLU (slope 0.01)"],
  ["relu6", "ReLU6"],
  ["hard_tanh", "HardTanh"],
  ["abs", "absolute value"],
];
