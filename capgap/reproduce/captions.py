"""What the report says under each picture of theory."""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["CAPTIONS"]

CAPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "student_loss_against_teacher_loss": "The paper's own law at the paper's scale: for each"
        " student there is a best teacher, and a stronger one makes it worse. The coefficients are"
        " reconstructed, since the printed ones contradict the paper's figures.",
        "kernel_regression_capacity_gap": "The same effect where everything can be solved: kernel"
        " regression with bounded norms. The teacher's error falls for ever; the student's rises"
        " once the teacher uses more directions than the student has.",
        "kernel_flat_floor": "The gap opens later than at m = n: teachers somewhat larger do no"
        " harm. The proof's exchanged cases rise where the floor is and are flat where the gap is.",
        "kernel_w_shape": "Where functions weigh differently and both norms are limited, the floor"
        " is a bump: curves can have two valleys, and the best teacher need not be as large as the"
        " student.",
        "kernel_rotated_subspaces": "Students whose functions are not the teacher's first ones"
        " learn most from larger teachers, and some beat their teachers.",
        "kernel_weak_to_strong": "A student beats its teacher exactly if what it drops is more"
        " wrong than right; students nested in their teachers never do.",
        "hinge_law_of_least_squares": "A least-squares student against its teacher, exactly: as"
        " good as its teacher until the teacher knows more than the student can hold, then worse by"
        " theta times what is added. Samples set the slope, the width sets the corner; noisy"
        " teachers that overfit are beaten by their students.",
        "phase_diagram_of_teachers": "The best teacher's width over student samples and label"
        " noise. A teacher wider than its student is best only for students that see more samples"
        " than it did; where the target's power is level, the best width leaps from the student's"
        " to all there is.",
        "gap_vanishing_with_samples": "A ridge student under perfect teachers of every width. The"
        " best width, its effective capacity, grows with its samples up to its own width. The price"
        " of too strong a teacher vanishes as one over the samples, but with too little ridge it"
        " grows first.",
        "chain_of_assistants": "What an assistant between teacher and student saves. It helps by"
        " the samples it brings; on equal samples it helps least-squares students with few samples,"
        " and a tuned student by two percent at most. At every point shown, giving those samples to"
        " the student directly is better still.",
        "isoflop_students": "One teacher, one budget for the student: small students lack capacity,"
        " large ones lack tokens.",
        "isoflop_teachers": "One budget for the teacher: the best student does not always have the"
        " best teacher. Where a budget's strongest teacher is stronger than the student's best"
        " one, the curve has two minima, a smaller teacher and an undertrained larger one.",
        "student_tokens": "Does a student with more tokens want a better teacher? It depends on the"
        " student.",
        "distilled_minus_supervised": "The student with its teacher minus the same student alone on"
        " the same tokens. Teachers help students with few tokens.",
        "best_teacher_landscape": "Student loss over students and teachers, with the path of the"
        " best teacher. Most of that path lies outside the runs that the law was fitted to.",
        "five_scenarios": "Who pays for the teacher? Five scenarios, each spent optimally, with"
        " points read off the paper's figure.",
        "optimal_allocations": "What an optimal budget buys: teacher, tokens of both, and the"
        " shares. The band holds every allocation within 0.001 nats.",
        "threshold_map": "Where a teacher is worth it, and the compute at which the student alone"
        " catches up.",
        "coefficient_audit": "The evidence that the printed B' has lost a factor of about 100.",
        "regret_map": "What rules of thumb for choosing a teacher cost, against the optimum.",
    }
)
