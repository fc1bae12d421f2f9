// The rules for this folder: what the compiler proves, and the ones that find forgotten promises.
import tseslint from "typescript-eslint";

export default tseslint.config(
    { ignores: ["dist/", "node_modules/", "*.mjs"] },
    ...tseslint.configs.recommendedTypeChecked,
    {
        languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
        rules: {
            eqeqeq: "error",
            "no-console": "error",
            "@typescript-eslint/no-floating-promises": "error",
        },
    },
    { files: ["test/**"], rules: { "no-console": "off" } },
);
