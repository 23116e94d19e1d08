"""What is wrong in a text is shown where it stands, with what to write."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv

PARAMETERS = {"C": "200 pF", "g_l": "10 nS", "E_l": "-60 mV", "V_t": "-50 mV", "s": "1 mV"}
GOOD = "dV/dt = (g_l*(E_l - V) + I)/C : mV"


def numpys(t):
    return np.sin(t)


def underivable(t):
    return jax.pure_callback(np.sin, jax.ShapeDtypeStruct((), jnp.float32), t)


WRONG = [
    # what is given, the error, what is underlined, what is said
    ({"equations": "dV/dt = (g_x*(E_l - V) + I)/C : mV"}, rv.UnknownNameError, "g_x", "Did you mean 'g_l'"),
    ({"equations": "dV/dt = (g_l*(E_l - V) + g_l + I)/C : mV"}, rv.UnitError, "g_l", "pA and nS cannot be added"),
    ({"equations": "dV/dt = (g_l*(E_l - V) + I) : mV"}, rv.UnitError, "(g_l*(E_l - V) + I)", "must be in mV/ms, and this is pA"),
    ({"equations": "dV/dt = (g_l*(E_l - V) + 3)/C : mV"}, rv.UnitError, "3", r"Give the number its unit: 3 \* pA"),
    ({"equations": f"{GOOD}\ndV/dt = 0*mV/ms : mV"}, rv.ParameterError, "V", "line 2: V is defined twice"),
    ({"equations": f"{GOOD}\na = b : 1\nb = a*2 : 1"}, rv.ParameterError, "a", "a → b → a"),
    ({"equations": "dV/dt = (g_l*(E_l - V) + I/C : mV"}, rv.ParameterError, "(", "not closed"),
    ({"equations": "dV/dt = g_l*(E_l - V)) + I/C : mV"}, rv.ParameterError, ")", "closes nothing"),
    ({"equations": "dV/dt = (g_l*(E_l - V) + )/C : mV"}, rv.ParameterError, ")", "cannot be read"),
    ({"equations": "dV/dt = g_l(E_l - V)/C : mV"}, rv.UnknownNameError, "g_l", r"To multiply, write g_l \*"),
    ({"equations": "dV/dt = g_l*(E_l - V)^2/C : mV"}, rv.ParameterError, "^", r"A power is written \*\*"),
    ({"equations": "dV/dt = g_l*(E_l \N{MINUS SIGN} V)/C : mV"}, rv.ParameterError, "\N{MINUS SIGN}", "A minus is written -"),
    ({"equations": "dV/dt = (2g_l*(E_l - V) + I)/C : mV"}, rv.ParameterError, "2g_l", r"To multiply, write 2 \* g_l"),
    ({"equations": "dV/dt = (g_l + g_l)(E_l - V)/C : mV"}, rv.ParameterError, "g_l + g_l", r"To multiply, write \* between"),
    ({"equations": "dV/dt = lambda*(E_l - V) : mV"}, rv.ParameterError, "lambda", "a reserved word, .* write lambda_"),
    ({"equations": "dV/dt = flor(V/mV)*mV/ms : mV"}, rv.UnknownNameError, "flor", "Did you mean 'floor'"),
    ({"equations": "dV/dt = rand()*mV/ms : mV"}, rv.UnknownNameError, "rand", "White noise|Noise is xi"),
    ({"equations": "dV/dt = clip(V, E_l)/ms : mV"}, rv.ParameterError, "clip(V, E_l)", "takes 3 arguments"),
    ({"equations": "dV/dt = exp(V)*mV/ms : mV"}, rv.UnitError, "V", "exp takes a number without a unit, and this is mV"),
    ({"equations": "dV/dt = V**g_l/ms : mV"}, rv.UnitError, "g_l", "an exponent has no unit"),
    ({"equations": "dV/dt = V**n/ms : mV\nn : 1"}, rv.UnitError, "n", "a power that is written as a number"),
    ({"equations": "dV/dt = where(V, V, E_l)/ms : mV"}, rv.ParameterError, "V", "here should be a comparison"),
    ({"equations": "dV/dt = V.real/ms : mV"}, rv.ParameterError, "V.real", "A name has no dot"),
    ({"equations": "dV/dt = V[0]/ms : mV"}, rv.ParameterError, "[", r"there is no \["),
    ({"equations": "dV/dt = exp(x=V)/ms : mV"}, rv.ParameterError, "exp(x=V)", "its arguments in their order"),
    ({"equations": "dV/dt = 9**9**9**9*mV/ms : mV"}, rv.ParameterError, "9**9**9", "no finite number"),
    ({"equations": "dV/dt = 1/0*mV/ms : mV"}, rv.ParameterError, "1/0", "no finite number"),
    ({"equations": "dV/dt = g_l*(E_l-V)/C"}, rv.ParameterError, "dV/dt = g_l*(E_l-V)/C", "Write the unit behind it"),
    ({"equations": "dV/dt = g_l*(E_l-V)/C : foo"}, rv.UnitError, "foo", "is no unit"),
    (
        {"equations": "dV/dt = g_l*(E_l-V)/C : mV (unless refactory)"},
        rv.ParameterError,
        "unless refactory",
        "Did you mean 'unless refractory'",
    ),
    ({"equations": "dV/dt = g_l*(E_l-V)/C : mV (unless refractory)"}, rv.ParameterError, "dV/dt", "Give refractory='5 ms'"),
    ({"equations": f"{GOOD}\nq : 1 (linked)"}, rv.UnsupportedError, "linked", "connect the populations"),
    ({"equations": f"{GOOD}\nq : integer"}, rv.UnsupportedError, "integer", "Write ': 1'"),
    ({"equations": "dv/dt = (g_l*(E_l-v)+I)/C : volt"}, rv.ParameterError, "v", "is called V here"),
    ({"equations": "dx/dt = I/pA/ms : 1"}, rv.ParameterError, "dx/dt", "there is no dV/dt"),
    ({"equations": "dV/dt = I/C*ms : pA"}, rv.UnitError, "V", "V is the membrane potential, in mV"),
    ({"equations": "dV/dt = dt*mV/ms : mV"}, rv.UnsupportedError, "dt", "the integrator has dt"),
    ({"equations": "dV/dt = i*mV/ms : mV"}, rv.UnsupportedError, "i", "one value a neuron"),
    ({"equations": "lambda : mV"}, rv.ParameterError, "lambda", "choose another"),
    ({"equations": "__class__ : mV"}, rv.ParameterError, "__class__", "choose another"),
    ({"equations": "exp : mV"}, rv.ParameterError, "exp", "choose another"),
    ({"equations": "V"}, rv.ParameterError, "V", "this is no equation"),
    ({"equations": f"{GOOD} # fine\n\nq = x : 1"}, rv.UnknownNameError, "x", "line 3"),
    ({"equations": "dV/dt = s*xi : mV"}, rv.UnitError, "s*xi", r"mV/ms\^0\.5"),
    ({"equations": "dV/dt = s*xi**2 : mV"}, rv.UnsupportedError, "xi**2", "factor of a term"),
    ({"equations": f"{GOOD}\nq = xi : 1/ms**0.5"}, rv.UnsupportedError, "q = xi", "belongs into the derivative"),
    ({"equations": "dV/dt = -V/ms + s*xi/sqrt(ms) : mV\ndw/dt = xi/sqrt(ms) : 1"}, rv.UnsupportedError, "xi/sqrt(ms)", "call it xi_w"),
    ({"equations": "dV/dt = -V/ms + s*(1 + sin(t/ms))*xi/sqrt(ms) : mV"}, rv.UnsupportedError, "t", "not the time"),
    ({"threshold": "V = V_t"}, rv.ParameterError, "=", "A comparison is =="),
    ({"threshold": "V + V_t"}, rv.ParameterError, "V + V_t", "here should be a comparison"),
    ({"threshold": "V > C"}, rv.UnitError, "C", "mV and pF cannot be compared"),
    ({"threshold": "V > I"}, rv.UnsupportedError, "I", "what comes from outside"),
    ({"threshold": "V > V_t and t > 5*ms"}, rv.UnsupportedError, "t", "not the time"),
    ({"equations": f"{GOOD}\nq = I/pA : 1", "threshold": "q > 1"}, rv.UnsupportedError, "q", "q depends on I"),
    ({"threshold": "V > V_t", "reset": "V = C"}, rv.UnitError, "C", "V is in mV, and this is pF"),
    ({"threshold": "V > V_t", "reset": "V *= s"}, rv.UnitError, "s", "a factor has no unit"),
    ({"threshold": "V > V_t", "reset": "E_l += 1*mV"}, rv.ParameterError, "E_l", "A line 'E_l : unit' makes it one"),
    ({"threshold": "V > V_t", "reset": "V"}, rv.ParameterError, "V", "this changes nothing"),
    ({"hazard": "V"}, rv.UnitError, "V", "a hazard is a rate"),
    ({"initial": {"V": "C"}}, rv.UnitError, "C", "must be in mV|its initial value"),
    ({"equations": "dV/dt = f(t)*mV/ms : mV", "functions": {"f": numpys}}, rv.ParameterError, "f(t)", r"write jnp\.sin\(t\)"),
    ({"equations": "dV/dt = f(t)*mV/ms : mV", "functions": {"f": underivable}}, rv.UnsupportedError, "f(t)", "has no derivative"),
    ({"equations": "dV/dt = f(V/mV)*mV/ms : mV", "functions": {"f": rv.stimuli.Sine(1.0, 10.0)}}, rv.ParameterError, "f(V/mV)", r"f\(t\)"),
    ({"equations": "dV/dt = f*mV/ms : mV", "functions": {"f": jnp.sin}}, rv.ParameterError, "f", r"call it, f\("),
]


@pytest.mark.parametrize(("given", "kind", "place", "says"), WRONG, ids=[str(i) for i in range(len(WRONG))])
def test_errors_point_into_the_text(given, kind, place, says):
    with pytest.raises(kind, match=says) as raised:
        rv.neurons.from_equations(**{"equations": GOOD, "parameters": PARAMETERS, **given})
    message, line, caret = str(raised.value).rsplit("\n", 2)
    argument = message.partition(":")[0].partition(",")[0]
    assert argument in given or argument.startswith(("initial", "equations"))
    underlined = line[caret.index("^") :][: caret.count("^")]
    assert underlined.startswith(place) if place == "dV/dt" or place == "dx/dt" else underlined == place or underlined.startswith(place)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"reset": "V = E_l"}, "nothing says when there is one"),
        ({"refractory": "5 ms"}, "nothing says when it does"),
        ({"threshold": "V > V_t", "refractory": "5 mV"}, "it is a time"),
        ({"threshold": "V > V_t", "refractory": "V > V_t"}, "A model without a reset needs none"),
        ({"threshold": "V > V_t", "hazard": "10*Hz"}, "give one of them"),
        ({"parameters": {**PARAMETERS, "V": "3 mV"}}, r"Its value at the start is given by initial"),
        ({"parameters": {**PARAMETERS, "C": 200.0}}, "C was given as a number without a unit"),
        ({"parameters": {**PARAMETERS, "C": "200 foo"}}, "'foo' is no unit"),
        ({"parameters": {**PARAMETERS, "C": "much"}}, "Write a number and its unit"),
        ({"parameters": {**PARAMETERS, "C": np.ones(3)}}, "arrays are given to its objects"),
        ({"parameters": {**PARAMETERS, "a b": 1.0}}, "names as its keys"),
        ({"equations": f"{GOOD}\nx : second", "parameters": {**PARAMETERS, "x": 0.01}}, "of which unit"),
        ({"equations": f"{GOOD}\nx : ms", "parameters": {**PARAMETERS, "x": "1 mV"}}, "the text says ms"),
        (
            {"threshold": "V > V_t", "parameters": {"g_L": "1 nS", **PARAMETERS}},
            r"parameters\['g_L'\]: no equation uses it\. Did you mean 'g_l'",
        ),
        ({"parameters": {"C": "200 pF", "g_l": "10 nS", "E_l": "-60 mV", "much": 2.0}}, r"no equation uses it\. Leave it out"),
        ({"functions": {"exp": jnp.exp}}, "choose another name"),
        ({"functions": {"C": jnp.exp}}, "is a parameter already"),
        ({"initial": {"u": 1.0}}, "Unknown variable 'u'"),
        ({"name": "two words"}, "it is one word"),
        ({"equations": "x" * 30_000}, "can have 20000"),
        ({"equations": "dV/dt = " + "-" * 5_000 + "1*mV/ms : mV"}, "too deep"),
        ({"equations": "dV/dt = " + "(" * 5_000 + "1" + ")" * 5_000 + " : mV"}, "cannot be read|too deep"),
        ({"equations": "dV/dt = " + "1 + " * 4_000 + "1 : mV"}, "too deep"),
    ],
)
def test_other_errors_say_what_to_write(given, says):
    with pytest.raises(rv.RanvierError, match=says):
        rv.neurons.from_equations(**{"equations": GOOD, "parameters": PARAMETERS, **given})


def test_a_current_without_a_place_in_the_equations_is_refused():
    deaf = rv.neurons.from_equations("dV/dt = -V/tau : mV", parameters={"tau": "10 ms"})
    with pytest.raises(rv.ParameterError, match="no current is in the equations"):
        rv.simulate(deaf(), current=1.0, duration=1.0)
    source, target = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), name="source"), rv.Population(1, deaf(), name="target")
    with pytest.raises(rv.ParameterError, match=r"rv\.synapses\.Delta"):
        rv.Projection(source, target, rv.synapses.ExponentialCurrent(), rv.connect.all_to_all())
    rv.Projection(source, target, rv.synapses.Delta(), rv.connect.all_to_all())


def test_nothing_of_python_is_reached():
    for text in (
        "__import__('os').system('true')",
        "().__class__.__bases__",
        "(lambda: 1)()",
        "[x for x in (1,)]",
        "f'{V}'",
        "V if (y := 1) else 2",
        "print(1)",
        "eval(1)",
        "open(1)",
        "exp.__class__",
        "exp(*V)",
        "...",
        "1j",
        "None",
    ):
        with pytest.raises(rv.RanvierError):
            rv.neurons.from_equations(f"dV/dt = {text} : mV")
