/** The texts of all recorded answers, in their order. */
export const TEXTS = ["Goethe wrote Faust in Weimar.", "Bread is baked in an oven.", "Faust is an opera by Gounod."];
